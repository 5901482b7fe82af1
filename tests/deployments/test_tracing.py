"""Traces as a collector gets them, over real HTTP; and what becomes of them when there is no collector."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from deployments.data_plane.grpc_api import open_inference_pb2 as messages
from deployments.data_plane.tables.content_types import ARROW
from deployments.data_plane.telemetry import tracing
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.tracing import Tracing
from tests.deployments.processes import Running, wait_until
from tests.deployments.small_build import Sample
from tests.deployments.test_grpc import call, infer
from tests.deployments.test_interfaces import arrow, table

Serve = Callable[..., Running]

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class Collector:
    """What a collector was sent."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A small OTLP receiver."""
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.paths.append(self.path)
            for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {entry.key: entry.value.string_value for entry in part.resource.attributes}
                received.services.add(names["service.name"])
                received.spans += [span for scope in part.scope_spans for span in scope.spans]
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_sampled_request_is_a_span_of_its_callers_trace(
    serve: Serve, build: Path, sample: Sample, collector: Collector
) -> None:
    running = serve("--build", build, "--traces", collector.url, "--trace-share", "0")
    (row,) = sample.rows(1)
    for flags in ("01", "00"):
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-{flags}", "x-request-id": f"asked-{flags}"}
        assert running.post(row, headers=headers).status_code == 200
    assert running.post(row).status_code == 200
    assert running.post(row, headers={"traceparent": "00-not-a-trace-01"}).status_code == 200
    assert running.stop() == 0
    (whole,) = collector.named("/v1/predict")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, CALLER)
    assert whole.kind == Span.SpanKind.SPAN_KIND_SERVER
    told = {entry.key: entry.value.string_value or entry.value.int_value for entry in whole.attributes}
    assert told["http.response.status_code"] == 200
    assert (told["slipway.build"], told["slipway.request_id"]) == (running.build, "asked-01")
    parts = [collector.named(name)[0] for name in ("read", "queue", "prepare", "model", "reply")]
    assert len(collector.spans) == 6
    assert all(part.trace_id == whole.trace_id and part.parent_span_id == whole.span_id for part in parts)
    moments = [whole.start_time_unix_nano, *(part.end_time_unix_nano for part in parts)]
    assert moments == sorted(moments)
    assert moments[-1] == whole.end_time_unix_nano
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.services == {"slipway-flights"}


def test_a_refused_request_is_traced_without_a_model(serve: Serve, build: Path, collector: Collector) -> None:
    running = serve("--build", build, "--traces", collector.url, "--trace-share", "1")
    assert running.post({"nothing": 1}).status_code == 422
    wait_until(lambda: bool(collector.spans))
    (span,) = collector.spans
    assert (span.name, span.parent_span_id) == ("/v1/predict", b"")


@pytest.mark.parametrize("path", ["/v1/score", "/v1/explain", "/v1/predict"])
def test_what_runs_in_the_thread_has_the_same_parts(
    serve: Serve, build: Path, sample: Sample, collector: Collector, path: str
) -> None:
    running = serve("--build", build, "--traces", collector.url, "--trace-share", "1")
    if path == "/v1/score":
        headers = {"content-type": ARROW, "x-request-id": "mine"}
        reply = running.client.post(path, content=arrow(table(sample, 300)), headers=headers)
    else:
        rows = sample.rows(300 if path == "/v1/predict" else 3)
        reply = running.client.post(path, json=rows, headers={"x-request-id": "mine"})
    assert reply.status_code == 200
    assert running.stop() == 0
    (whole,) = collector.named(path)
    told = {entry.key: entry.value.string_value for entry in whole.attributes}
    assert told["slipway.request_id"] == "mine"
    parts = [collector.named(name)[0] for name in ("read", "queue", "prepare", "model", "reply")]
    moments = [part.start_time_unix_nano for part in parts]
    assert moments == sorted(moments)
    assert len(collector.spans) == 6


def test_a_grpc_call_is_a_span_too(serve: Serve, build: Path, sample: Sample, collector: Collector) -> None:
    running = serve("--build", build, "--traces", collector.url, "--trace-share", "0", "--grpc-port", "0")
    caller = [("traceparent", f"00-{TRACE}-{CALLER}-01")]
    with grpc.insecure_channel(running.grpc) as channel:
        call(channel, "ModelInfer", infer(sample, 2), metadata=caller)
        call(channel, "ModelInfer", infer(sample, 2))
        call(channel, "ServerReady", messages.ServerReadyRequest(), metadata=caller)
    assert running.stop() == 0
    (whole,) = collector.named("/inference.GRPCInferenceService/ModelInfer")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, CALLER)
    told = {entry.key: entry.value.string_value or entry.value.int_value for entry in whole.attributes}
    assert (told["rpc.system"], told["rpc.method"], told["slipway.request_id"]) == ("grpc", "ModelInfer", "mine")
    assert told["rpc.grpc.status_code"] == 0
    assert all(span.parent_span_id == whole.span_id for span in collector.spans if span is not whole)


def test_traces_that_nobody_takes_are_counted_and_hold_nothing_up(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--traces", "http://127.0.0.1:9", "--trace-share", "1")
    assert running.post(sample.rows(3)).status_code == 200
    wait_until(lambda: "slipway_lost_traces_total 1.0" in running.client.get("/metrics").text)
    assert '"event":"traces lost"' in running.log.read_text()


def test_what_waits_to_be_sent_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "WAITING", 3)
    metrics = Metrics()
    traces = Tracing("http://127.0.0.1:9/v1/traces", 1.0, "flights", metrics)
    for _ in range(5):
        trace = traces.begin(None)
        assert trace is not None
        traces.end(trace, "/v1/predict", 200, "build", "mine")
    assert metrics.lost_traces == 2


def test_the_usual_variables_name_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert tracing.endpoint(None) is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
    assert tracing.endpoint(None) == "http://collector:4318/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:4318/traces")
    assert tracing.endpoint(None) == "http://other:4318/traces"
    assert tracing.endpoint("http://given:1") == "http://given:1/v1/traces"


def test_without_a_collector_nothing_of_opentelemetry_is_imported(build: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deployments.data_plane.application import Application\n"
        "from deployments.data_plane.options import Options\n"
        f"Application(Options(build=Path({str(build)!r})))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
