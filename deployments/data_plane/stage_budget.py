"""Where the time of a request goes: ``python -m deployments.data_plane.stage_budget --build DIR``.

Prints one line of JSON: p50, p95 and p99 of every stage in microseconds. The service itself answers the build's golden
rows, one request after the other, with its prediction log on. Its parts are wrapped in clocks, so nothing is a copy:
what is measured is the code that serves. What the HTTP server adds is for the caller to see
(components.builds.stage_budget).
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from components.artefacts.errors import SlipwayError
from deployments.data_plane.application import Application
from deployments.data_plane.formats.content import JSON_TYPE
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import Reply
from deployments.data_plane.telemetry.tracing import Trace

WARM_UP = 200


class _Clock:
    """Stands for a part of the service and notes when its calls begin and end."""

    def __init__(self, part: Any, marks: dict[str, float], **names: str) -> None:
        self._part, self._marks, self._names = part, marks, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        return self._timed(found, self._names[name]) if name in self._names else found

    def _timed(self, call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            self._marks[f"{stage} begins"] = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self._marks[f"{stage} ends"] = time.perf_counter()

        return timed


class _Request:
    """A request that is in memory already."""

    method, path, client = "POST", "/v1/predict", "127.0.0.1"

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.sent: Reply | None = None
        self.trace: Trace | None = None
        self.request_id = ""

    def header(self, name: str) -> str | None:
        return JSON_TYPE if name == "content-type" else None

    def send(self, reply: Reply) -> None:
        """Take the answer; where Granian would send it."""
        self.sent = reply

    async def body(self, limit: int) -> bytes:
        return self._body


async def measure(options: Options, requests: int) -> dict[str, list[float]]:
    """Return the seconds of each stage, request by request; the stages of one request add up to its whole."""
    with tempfile.TemporaryDirectory(prefix="slipway-stages-") as log:
        application = Application(msgspec.structs.replace(options, predictions=Path(log), deadline_seconds=60.0))
        application.start(asyncio.get_running_loop())
        try:
            return await _measured(application, requests)
        finally:
            application.stop()


async def _measured(application: Application, requests: int) -> dict[str, list[float]]:
    service, marks = application.service, dict[str, float]()
    model = service.model
    decoder = _Clock(model.decoder, marks, decode="decode")
    predictor = _Clock(model.predictor, marks, tensors="tensors", predict="predict")
    service.take_over(msgspec.structs.replace(model, decoder=decoder, predictor=predictor))
    service._answers = _Clock(service._answers, marks, encode="encode")  # type: ignore[assignment]
    bodies = [msgspec.json.encode(row) for row in model.build.golden().rows]
    times: dict[str, list[float]] = {}
    for number in range(WARM_UP + requests):
        body = bodies[number % len(bodies)]
        began = time.perf_counter()
        # The decoder parses and validates in one pass: what the bytes cost without a contract is the parsing.
        msgspec.json.decode(body)
        parsing = time.perf_counter() - began
        began = time.perf_counter()
        status, _, answer = await service.answer(_Request(body))
        ended = time.perf_counter()
        if status != 200:
            raise RuntimeError(f"the service answered {status}: {answer.decode(errors='replace')}")
        if number < WARM_UP:
            continue
        decoding = marks["decode ends"] - marks["decode begins"]
        parse = min(parsing, decoding)
        for stage, seconds in {
            "admit": marks["decode begins"] - began,
            "parse": parse,
            "validate": decoding - parse,
            "queue": marks["tensors begins"] - marks["decode ends"],
            "preprocess": marks["tensors ends"] - marks["tensors begins"],
            "model": marks["predict ends"] - marks["predict begins"],
            "record": marks["encode begins"] - marks["predict ends"],
            "encode": marks["encode ends"] - marks["encode begins"],
            "reply": ended - marks["encode ends"],
        }.items():
            times.setdefault(stage, []).append(seconds)
    return times


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deployments.data_plane.stage_budget", description=__doc__)
    parser.add_argument("--build", type=Path, required=True, metavar="DIR")
    parser.add_argument("--build-id", metavar="ID")
    parser.add_argument("--public-key", type=Path, metavar="FILE")
    parser.add_argument("--requests", type=int, default=1_000, metavar="N")
    given = parser.parse_args()
    try:
        options = Options(build=given.build, build_id=given.build_id, public_key=given.public_key)
        times = asyncio.run(measure(options, given.requests))
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    quantiles = {stage: (np.quantile(seconds, [0.5, 0.95, 0.99]) * 1e6).tolist() for stage, seconds in times.items()}
    sys.stdout.write(msgspec.json.encode({"requests": given.requests, "stages": quantiles}).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
