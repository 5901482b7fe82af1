"""Noted requests as OpenTelemetry spans, sent over OTLP/HTTP. Imported only where traces are sent."""

import logging
import os
import random
from collections.abc import Iterator, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from deployments.data_plane.telemetry.tracing import Trace

SCOPE = InstrumentationScope("slipway.data_plane")
FAILED = 500


class Sender:
    """An OTLP exporter for one service."""

    def __init__(self, url: str, workload: str, seconds: float) -> None:
        # What it logs of a collector that does not answer would be mixed into our own lines, which say it too.
        logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").setLevel(logging.CRITICAL)
        # OTEL_RESOURCE_ATTRIBUTES are read by the library.
        self._resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", f"slipway-{workload}")})
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=seconds)

    def send(self, traces: Sequence[Trace]) -> str | None:
        """Send some requests; returns what went wrong, or None."""
        spans = [span for trace in traces for span in self._spans(trace)]
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # a collector's trouble is none of the service's
            return f"{type(error).__name__}: {error}"
        return None if result is SpanExportResult.SUCCESS else "the collector did not take them"

    def close(self) -> None:
        """Let go of the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # upstream has no annotations

    def _spans(self, trace: Trace) -> Iterator[ReadableSpan]:
        own = _context(trace.trace_id, random.getrandbits(64) or 1)
        parent = _context(trace.trace_id, trace.parent_id, remote=True) if trace.parent_id is not None else None
        attributes: dict[str, str | int] = {"slipway.build": trace.build, "slipway.request_id": trace.request_id}
        if trace.grpc_status is None:
            attributes |= {"http.request.method": "POST", "url.path": trace.path}
            attributes["http.response.status_code"] = trace.status
        else:
            service, _, method = trace.path.lstrip("/").partition("/")
            attributes |= {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
            attributes["rpc.grpc.status_code"] = trace.grpc_status
        failed = Status(StatusCode.ERROR if trace.status >= FAILED else StatusCode.UNSET)
        yield self._span(trace, trace.path, own, parent, (trace.started, trace.ended), attributes, failed)
        if not trace.computed:
            return
        rows: dict[str, str | int] = {"slipway.batch_rows": trace.batch_rows}
        for name, start, end in (
            ("read", trace.started, trace.queued),
            ("queue", trace.queued, trace.taken),
            ("prepare", trace.taken, trace.prepared),
            ("model", trace.prepared, trace.computed),
            ("reply", trace.computed, trace.ended),
        ):
            context = _context(trace.trace_id, random.getrandbits(64) or 1)
            yield self._span(trace, name, context, own, (start, end), rows if name == "model" else {}, Status())

    def _span(
        self,
        trace: Trace,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        times: tuple[float, float],
        attributes: dict[str, str | int],
        status: Status,
    ) -> ReadableSpan:
        start, end = (trace.started_ns + int((moment - trace.started) * 1e9) for moment in times)
        return ReadableSpan(
            name=name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            kind=SpanKind.SERVER if name == trace.path else SpanKind.INTERNAL,
            status=status,
            start_time=start,
            end_time=end,
            instrumentation_scope=SCOPE,
        )


def _context(trace_id: int, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))
