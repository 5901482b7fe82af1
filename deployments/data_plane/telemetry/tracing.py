"""OpenTelemetry traces: a span a request, and below it reading, waiting in the queue, the model and the reply.

The event loop only notes times for the requests that are sampled (by the caller's ``traceparent``, else by a share); a
thread makes spans of them and sends them over OTLP/HTTP. It never makes an answer wait: what it cannot keep up with is
dropped and counted. Without an endpoint nothing of this is imported. https://www.w3.org/TR/trace-context/
"""

import importlib
import os
import random
import re
import threading
import time
from collections import deque
from typing import Any

import msgspec

from components.artefacts.errors import ServingError
from deployments.data_plane.telemetry.events import report
from deployments.data_plane.telemetry.metrics import Metrics

# How often the thread looks for finished requests, how many it sends at once, and how many may wait for it.
LOOK_SECONDS, AT_ONCE, WAITING = 0.5, 256, 4_096
# A collector that does not answer is given up for these requests, not waited for.
SEND_SECONDS = 5.0
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


class Trace(msgspec.Struct, gc=False):
    """What is noted of one sampled request; moments are ``time.perf_counter`` seconds."""

    trace_id: int
    parent_id: int | None
    # The same moment on both clocks.
    started_ns: int
    started: float
    # When it was queued, was taken from the queue, was a table of tensors, and was answered; zeros if it never came
    # that far.
    queued: float = 0.0
    taken: float = 0.0
    prepared: float = 0.0
    computed: float = 0.0
    batch_rows: int = 0
    ended: float = 0.0
    path: str = ""
    status: int = 0
    request_id: str = ""
    build: str = ""
    # The status code of a gRPC call; None: it came over HTTP.
    grpc_status: int | None = None


def endpoint(given: str | None) -> str | None:
    """Return where to send spans: what was given, else what OpenTelemetry's own variables say, else None."""
    if given is not None:
        return f"{given.rstrip('/')}/v1/traces"
    if traces := os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        return traces
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return f"{base.rstrip('/')}/v1/traces" if base else None


class Tracing:
    """Notes sampled requests and sends them to a collector."""

    def __init__(self, url: str, share: float, workload: str, metrics: Metrics) -> None:
        self._share = share
        self._metrics = metrics
        self._waiting: deque[Trace] = deque()
        self._stopping = threading.Event()
        try:
            self._spans: Any = importlib.import_module("deployments.data_plane.telemetry.spans")
        except ModuleNotFoundError as error:
            raise ServingError(f"traces need the package {error.name}: pip install 'slipway[traces]'") from None
        self._sender = self._spans.Sender(url, workload, SEND_SECONDS)
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def begin(self, traceparent: str | None) -> Trace | None:
        """Return a trace for a request that is sampled: by its caller's word, or by chance if it has none."""
        found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
        if found is not None:
            if not int(found[3], 16) & _SAMPLED:
                return None
            return Trace(int(found[1], 16), int(found[2], 16), time.time_ns(), time.perf_counter())
        if random.random() >= self._share:
            return None
        return Trace(random.getrandbits(128) or 1, None, time.time_ns(), time.perf_counter())

    def end(self, trace: Trace, path: str, status: int, build: str, request_id: str) -> None:
        """Take a request that was answered; returns at once."""
        if len(self._waiting) >= WAITING:
            self._metrics.lost_traces += 1
            return
        trace.ended, trace.path, trace.status = time.perf_counter(), path, status
        trace.build, trace.request_id = build, request_id
        self._waiting.append(trace)

    def stop(self) -> None:
        """Send what is left and end."""
        self._stopping.set()
        self._thread.join(timeout=SEND_SECONDS + 1)
        self._sender.close()

    def _work(self) -> None:
        while True:
            stopping = self._stopping.wait(LOOK_SECONDS)
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                if (problem := self._sender.send(batch)) is None:
                    self._metrics.sent_traces += len(batch)
                    continue
                self._metrics.lost_traces += len(batch)
                report("traces lost", traces=len(batch), reason=problem)
                if stopping:
                    return
            if stopping:
                return
