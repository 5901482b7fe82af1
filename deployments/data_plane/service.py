"""The service itself, apart from any server: requests in, replies out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol

from deployments.data_plane.bulk import Bulk
from deployments.data_plane.cors import Cors
from deployments.data_plane.documents.pages import pages_of
from deployments.data_plane.formats import open_inference
from deployments.data_plane.formats.answers import Answers
from deployments.data_plane.formats.content import JSON_TYPE, compressed, read_body
from deployments.data_plane.formats.open_inference import Tensor
from deployments.data_plane.load.admission import SMALL_BODY, Admission, discarded
from deployments.data_plane.load.batching import Answered, Batcher
from deployments.data_plane.load.limits import Overloaded
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import JSON, Reply, Request, closing
from deployments.data_plane.refusals import Refusal, refusal_of
from deployments.data_plane.telemetry.access_log import AccessLog
from deployments.data_plane.telemetry.events import report
from deployments.data_plane.telemetry.exchange import Exchange
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.tracing import Trace, Tracing

# A body that comes with its headers is thrown away by the server. Reading one costs as much as the refusal itself.
TINY_BODY = 4_096
# Tensors as JSON, or bytes behind it. Triton's client says neither.
TENSOR_BODY = (JSON_TYPE, "application/octet-stream")
BINARY = (("content-type", "application/octet-stream"),)


class Call(Protocol):
    """What the service needs to know of a call through another server, beside its tensors."""

    client: str
    request_id: str
    # Seconds that its client will still wait; None: for ever.
    remaining: float | None
    trace: Trace | None

    def header(self, name: str) -> str | None:
        """Return what the call says under a lower-case name, as a header of HTTP would."""


class AnsweredTensors(NamedTuple):
    """Which build answered what."""

    model: Model
    request_id: str
    outputs: list[open_inference.Output]


class Service:
    """Answers requests with the current build; belongs to one event loop."""

    def __init__(
        self,
        model: Model,
        options: Options,
        metrics: Metrics,
        on_answered: Callable[[Answered], None] | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.metrics = metrics
        self.draining = False
        self._options = options
        self._on_answered = on_answered
        self.tracing = tracing
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-requests")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="large-rows")
        self.admission = Admission(options)
        self.access_log = AccessLog(options.access_log)
        self.price_per_hour = options.price_per_hour
        self.exchange = Exchange(options.exchange, metrics)
        self._bulk = Bulk(options, self.admission, metrics, self._large)
        self._full = refusal_of(Overloaded(self.admission.full))
        self._cors = Cors(options.cors_origins, options.client_header) if options.cors_origins else None
        self.take_over(model)
        self._model_path = f"/v2/models/{model.serving.workload}"
        self._routes = {
            "/v1/predict": ("POST", self.predict),
            "/v1/score": ("POST", self._bulk.score),
            "/v1/explain": ("POST", self._bulk.explain),
            f"{self._model_path}/infer": ("POST", self.infer),
            **pages_of(self, self._model_path),
        }

    def take_over(self, model: Model) -> None:
        """Answer from now on with another build; what is in flight finishes with the old one."""
        self.model = model
        self._body_types = model.body_types
        self.metrics.watch(model.serving.answer.bounds)
        # Each build has a queue of its own: rows that one contract let in are never answered by another build.
        self._batcher = Batcher(model, self.metrics, self._options, self._on_answered, self._large, self._reader)
        self._answers = Answers(model)
        self._bulk.take_over(model, self._batcher)
        # Under load, refusing must cost as little as it can.
        self._full_replies = {version: self._full.prepared(version, model.build_id) for version in ("/v1", "/v2")}

    def close(self) -> None:
        """End what was started beside the requests."""
        self._bulk.close()

    async def answer(self, request: Request) -> Reply:
        """Return the reply to any request."""
        start = time.perf_counter()
        metrics = self.metrics
        path = request.path
        # Probes and scrapes come by the second and tell nothing.
        if self.tracing is not None and request.method == "POST":
            request.trace = self.tracing.begin(request.header("traceparent"))
        if "/versions/" in path:
            path = self._unversioned(path)
        method, handler = self._routes.get(path, ("", None))
        if handler is None:
            path = "other"
            names = f"{self._model_path} has one version, {self.model.build_id}"
            reason = f"no such path; there are {', '.join(self._routes)}; {names}"
            reply = self._refused(Refusal(404, "not_found", reason), request)
        elif self._cors is not None and request.method == "OPTIONS":
            reply = self._cors.preflight(method)
        elif request.method != method and (request.method, method) != ("HEAD", "GET"):
            reason = f"{path} takes {method}, not {request.method}"
            reply = self._refused(Refusal(405, "method_not_allowed", reason, (("allow", method),)), request)
        elif method == "POST" and metrics.in_flight >= self._options.queue_requests:
            metrics.count_error(self._full.kind)
            reply = self._full_replies[path[:3]](self._name(request))
            if int(request.header("content-length") or SMALL_BODY) > TINY_BODY and not await discarded(request):
                reply = closing(reply)
        else:
            metrics.in_flight += 1
            try:
                reply = await handler(request)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the boundary of the service: every failure becomes an answer
                reply = self._refused(self.note_failure(error, path), request)
            finally:
                metrics.in_flight -= 1
        seconds = time.perf_counter() - start
        metrics.latency.observe(seconds)
        metrics.count_answer(path, reply[0])
        if self._options.access_log or reply[0] == 500:
            self.access_log.note(request, reply[0], len(reply[2]), seconds, self.model.build_id)
        if self.tracing is not None and request.trace is not None:
            self.tracing.end(request.trace, path, reply[0], self.model.build_id, request.request_id)
        if self._cors is not None:
            reply = self._cors.marked(reply, request)
        # While the service drains, clients with open connections must turn to somebody else.
        return closing(reply) if self.draining else reply

    def _unversioned(self, path: str) -> str:
        """Return the path that means the same without the model's version, if that is the build; else the path."""
        start, _, rest = path.partition("/versions/")
        version, slash, verb = rest.partition("/")
        return f"{start}{slash}{verb}" if (start, version) == (self._model_path, self.model.build_id) else path

    def _refused(self, refusal: Refusal, request: Request) -> Reply:
        return refusal.reply(request.path, self.model.build_id, self._name(request))

    def _name(self, request: Request) -> str:
        """Return what to call a request in a header: its own name, if it has one that may stand there."""
        wanted = request.request_id or request.header("x-request-id")
        request.request_id = self.admission.request_id(wanted)
        return request.request_id

    def note_failure(self, error: Exception, path: str) -> Refusal:
        """Return what to tell a client whose request was refused or failed; report what is our fault, and count it."""
        refusal = refusal_of(error)
        if refusal.status == 500:
            report("request failed", path=path, error=f"{type(error).__name__}: {error}")
        self.metrics.count_error(refusal.kind)
        return refusal

    async def predict(self, request: Request) -> Reply:
        """Answer rows given as JSON, or as what the kind of model reads."""
        arrived = time.perf_counter()
        admission = self.admission
        if admission.limits_rates:
            await admission.limit_rate(request)
        model, batcher, encoder = self.model, self._batcher, self._answers
        body = await read_body(request, self._body_types, model.serving.max_body_bytes)
        rows = model.rows_of(body, request.header("content-type"))
        request.request_id = request_id = admission.request_id(request.header("x-request-id"))
        deadline = arrived + admission.patience(request)
        early = None
        if request.send and self._cors is None:
            early = partial(self._send, request.send, encoder, request_id)
        answers = await batcher.submit(rows, request_id, arrived, deadline, early, request.trace)
        return request.sent or (200, JSON, encoder.encode(answers, request_id))

    def _send(self, send: Callable[[Reply], None], encoder: Answers, request_id: str, answers: list[Any]) -> None:
        reply: Reply = (200, JSON, encoder.encode(answers, request_id))
        send(closing(reply) if self.draining else reply)

    async def infer(self, request: Request) -> Reply:
        """Answer tensors of the Open Inference Protocol, over REST."""
        await self.admission.limit_rate(request)
        limit, length = self.model.serving.max_body_bytes, request.header(open_inference.JSON_LENGTH)
        asked = open_inference.decode(await read_body(request, TENSOR_BODY, limit, untyped=True), length)
        request.request_id = self.admission.request_id(request.header("x-request-id")) if asked.id is None else asked.id
        patience = self.admission.patience(request)
        answered = await self._answer_tensors(asked.inputs, asked.wanted, request.request_id, patience, request.trace)
        binary = [name for name, _, _ in answered.outputs if asked.is_binary.get(name, asked.binary_by_default)]
        body, length_of_json = open_inference.encode(answered.model, answered.outputs, answered.request_id, binary)
        if length_of_json is None:
            return compressed((200, JSON, body), request)
        # The length is that of the JSON as it was before it was compressed with the rest.
        headers = (*BINARY, (open_inference.JSON_LENGTH, str(length_of_json)))
        return compressed((200, headers, body), request)

    async def answer_tensors(self, inputs: Sequence[Tensor], wanted: Sequence[str], call: Call) -> AnsweredTensors:
        """Answer tensors of the Open Inference Protocol, from another server in this event loop."""
        self.admission.take(call.header, call.client)
        # The call is among those in flight.
        if self.metrics.in_flight > self._options.queue_requests:
            raise Overloaded(self.admission.full)
        patience = self.admission.shortened(call.remaining)
        return await self._answer_tensors(inputs, wanted, call.request_id, patience, call.trace)

    async def _answer_tensors(
        self, inputs: Sequence[Tensor], wanted: Sequence[str], given: str, patience: float, trace: Trace | None
    ) -> AnsweredTensors:
        arrived = time.perf_counter()
        model, batcher = self.model, self._batcher
        request_id, names = open_inference.check_id(given), open_inference.check_outputs(model, wanted)
        rows = model.decoder.check(open_inference.rows_of(inputs, model))
        answers = await batcher.submit(rows, request_id, arrived, arrived + patience, trace=trace)
        return AnsweredTensors(model, request_id, open_inference.outputs_of(model, answers, names))
