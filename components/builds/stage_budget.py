"""The stages of a request to a build, in microseconds: what the service measured of itself, and what HTTP adds.

The service runs in a process of its own; what stands in the graph before the model is timed here,
where that can be made a graph of its own.
"""

import subprocess
import sys
import time
from typing import Any

import msgspec
import numpy as np

from components.artefacts.build import Build
from components.artefacts.errors import ServingError
from components.artefacts.lifetime import bound
from components.builds.live_check import LiveCheck
from components.builds.parity_ladder import golden_tensors
from components.catalog import find_kind
from components.service.process import DATA_PLANE
from components.user_modules import child_environment

PROGRAM = f"{DATA_PLANE}.stage_budget"
REQUESTS = 1_000
SECONDS = 120


class Stage(msgspec.Struct, frozen=True):
    """What one stage takes, in microseconds."""

    name: str
    p50_us: float
    p95_us: float
    p99_us: float
    meaning: str


class StageBudget(msgspec.Struct, frozen=True, kw_only=True):
    """All stages in the order in which a request passes them; one row a request, one request at a time."""

    requests: int
    # Of the client whose time is what "write" is left of.
    seen_requests: int
    stages: tuple[Stage, ...]
    sum_p50_us: float
    sum_p95_us: float
    sum_p99_us: float
    seen_p95_us: float


MEANINGS = {
    "admit": "rate limit, queue limit, reading the body",
    "parse": "JSON to values, without a contract",
    "validate": "what checking against the contract adds to parsing",
    "queue": "waiting for the batch to close",
    "preprocess": "tensors of the row, and the nodes of the graph that stand before the model",
    "model": "the rest of the graph",
    "record": "metrics, prediction log, waking the request",
    "encode": "the answer as JSON",
    "reply": "metrics of the answer, handing it to the server",
    "write": "HTTP server, sockets, the waiting client: what is left of what a client sees",
}


def measure_stages(build: Build, live: LiveCheck, requests: int = REQUESTS) -> StageBudget:
    """Return the stage budget of a build; ``live`` is what a client saw of it just before."""
    measured = {name: np.array(found) for name, found in _service_stages(build, requests).items()}
    # It is part of the graph; by far most of it is arithmetic that every row needs before the model.
    inside = min(_preprocessing_us(build), float(measured["model"][0]))
    measured["preprocess"] = measured["preprocess"] + inside
    measured["model"] = measured["model"] - inside
    seen = np.array([live.latency_p50_ms, live.latency_p95_ms, live.latency_p99_ms]) * 1000
    # Quantiles do not add up, so what is left at a higher one can be less: it is not shown as less.
    measured["write"] = np.maximum.accumulate(np.maximum(0.0, seen - np.sum(list(measured.values()), axis=0)))
    sums = np.sum(list(measured.values()), axis=0).round(1).tolist()
    stages = tuple(
        Stage(name=name, p50_us=p50, p95_us=p95, p99_us=p99, meaning=MEANINGS[name])
        for name, (p50, p95, p99) in ((name, found.round(2).tolist()) for name, found in measured.items())
    )
    return StageBudget(
        requests=requests,
        seen_requests=live.rows,
        stages=stages,
        sum_p50_us=sums[0],
        sum_p95_us=sums[1],
        sum_p99_us=sums[2],
        seen_p95_us=round(live.latency_p95_ms * 1000, 1),
    )


def _service_stages(build: Build, requests: int) -> dict[str, list[float]]:
    """Return p50, p95 and p99 of each stage in microseconds."""
    command = bound([sys.executable, "-m", PROGRAM, *build.asked_for(), "--requests", str(requests)])
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=child_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        raise ServingError(f"build {build.build_id}: its stages were not measured within {SECONDS} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ServingError(
            f"build {build.build_id}: its stages cannot be measured: {said[-1] if said else 'no reason'}"
        )
    found: dict[str, list[float]] = msgspec.json.decode(done.stdout)["stages"]
    return found


def _preprocessing_us(build: Build, calls: int = 300) -> float:
    """Return the microseconds of what stands in the graph before the model, for one golden row, median."""
    kind = find_kind(build.manifest.kind)
    graph = kind.preprocessing_graph(build.parts(), build.contract()) if kind.preprocessing_graph else None
    if graph is None:
        return 0.0
    # Here, because a command that promotes reads this module before it needs a graph.
    from components.artefacts.onnx_session import open_session

    session = open_session(graph)
    columns = golden_tensors(build, rows=1)
    feeds: dict[str, Any] = {tensor.name: columns[tensor.name] for tensor in session.get_inputs()}
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        session.run(None, feeds)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds)) * 1e6
