"""Faults of a build and of the machine that serves it: planted into a copy, caught on opening or at promotion."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.builds.build import MANIFEST, open_build
from components.catalog import inference_module
from components.compression.measurement import columns_of
from components.faults.bench import Bench, Fault, Seen
from components.judgement.evidence import Measure
from components.judgement.gates import GateReport, promotion_gates
from components.judgement.slices import SOURCE
from components.storage import digest_bytes, write_atomically

CALLS = 15


def _opened(spoil: Callable[[Path], None]) -> Callable[[Bench, bool], Seen]:
    """Return a fault that spoils a copy of the build and opens it."""

    def run(bench: Bench, planted: bool) -> Seen:
        copy = bench.scratch / "build"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(bench.build, copy)
        if planted:
            spoil(copy)
        open_build(copy)
        return {}

    return run


def flip_byte(build: Path) -> None:
    data = bytearray((build / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (build / "model.onnx").write_bytes(data)


def lose_file(build: Path) -> None:
    (build / "recipe.json").unlink()


def swap_contract(build: Path) -> None:
    """Change a file and its digest in the manifest, as somebody would who knows how it works."""
    contract, manifest = build / "contract.json", build / MANIFEST
    old = digest_bytes(contract.read_bytes())
    write_atomically(contract, contract.read_bytes().replace(b'"fields"', b'"fields" ', 1) + b"\n")
    text = manifest.read_text().replace(old, digest_bytes(contract.read_bytes()))
    write_atomically(manifest, text.encode())


def lower_threshold(build: Path) -> None:
    gates = build / "gates.json"
    write_atomically(gates, gates.read_bytes().replace(b'"passed"', b'"Passed"', 1))


def environment(bench: Bench, planted: bool) -> Seen:
    return _promoted(bench, differences=["onnxruntime 1.31.1 -> 1.20.0"] if planted else [])


def other_answers(bench: Bench, planted: bool) -> Seen:
    """Serve answers of another model than the one that was evaluated."""
    hold_out = bench.hold_out
    served = np.roll(hold_out.graph, 1, axis=0) if planted else hold_out.graph
    return _promoted(bench, parity=float(np.abs(served - hold_out.graph).max()) / hold_out.scale)


def slow_model(bench: Bench, planted: bool) -> Seen:
    """Measure single answers, with a model that needs half as long again as the goal allows."""
    # Opened once, as the service does: a large graph takes longer to open than it may take to answer.
    predictor = inference_module(bench.workload.kind).Predictor(bench.trained.shipped.model, bench.contract)
    row = columns_of(predictor, bench.hold_out.rows.head(1), bench.contract)
    wait = 1.5 * bench.workload.goal.latency_p95_ms / 1000 if planted else 0.0
    predictor.predict(row)
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        predictor.predict(row)
        time.sleep(wait)
        seconds.append(time.perf_counter() - began)
    return _promoted(bench, latency=float(np.median(seconds)) * 1000)


def dear_answers(bench: Bench, planted: bool) -> Seen:
    limit = bench.workload.goal.serving_usd_per_1000
    return _promoted(bench, usd=3 * limit if planted else 0.0)


def refused_build(bench: Bench, planted: bool) -> Seen:
    report = GateReport(verdicts=(), passed=not planted, goal=bench.workload.goal.statement)
    return _promoted(bench, build=report)


def _promoted(
    bench: Bench,
    *,
    differences: list[str] | None = None,
    rungs: float = 0.0,
    parity: float = 0.0,
    latency: float = 0.0,
    usd: float = 0.0,
    build: GateReport | None = None,
) -> Seen:
    report = promotion_gates(
        bench.workload,
        build or GateReport(verdicts=(), passed=True, goal=bench.workload.goal.statement),
        environment=differences or [],
        broken_rungs=rungs,
        live_parity=parity,
        latency_p95_ms=Measure(name="latency_p95_ms", value=latency, source=SOURCE),
        serving_usd_per_1000=usd,
    )
    return {verdict.gate: verdict.line for verdict in report.refused}


FAULTS = (
    Fault("a flipped byte in the model", "open", "BuildError", _opened(flip_byte)),
    Fault("a file of the build is lost", "open", "BuildError", _opened(lose_file)),
    Fault("a file changed together with its digest", "open", "BuildError", _opened(swap_contract)),
    Fault("a verdict changed after the fact", "open", "BuildError", _opened(lower_threshold)),
    Fault("other package versions than the build's", "promote", "environment", environment),
    Fault("served answers are another model's", "promote", "live-parity", other_answers),
    Fault("a slow model", "promote", "latency", slow_model),
    Fault("answers too dear", "promote", "serving-cost", dear_answers),
    Fault("a refused build promoted", "promote", "build-gates", refused_build),
)
