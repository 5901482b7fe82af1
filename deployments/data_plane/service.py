"""The service itself, apart from any server: requests in, replies out."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from deployments.data_plane import columnar, open_inference
from deployments.data_plane.access_log import AccessLog
from deployments.data_plane.answers import Answers
from deployments.data_plane.batching import Answered, Batcher, Expired, check_deadline
from deployments.data_plane.events import report
from deployments.data_plane.exchange import Exchange
from deployments.data_plane.explanation import Explainer
from deployments.data_plane.limits import Overloaded, RateLimit, RateLimited
from deployments.data_plane.metrics import Metrics
from deployments.data_plane.model import Model
from deployments.data_plane.open_inference import Tensor
from deployments.data_plane.options import Options
from deployments.data_plane.pages import pages_of
from deployments.data_plane.protocol import JSON, BodyTooLarge, Reply, Request, closing
from deployments.data_plane.refusals import Refusal, WrongContentType, refusal_of
from deployments.data_plane.request import MalformedRequest, TooManyRows
from deployments.data_plane.tracing import Trace, Tracing

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


# Bodies of refused requests are read away up to this size; after larger ones the connection closes.
SMALL_BODY = 65_536
# A body that comes with its headers is thrown away by the server. Reading one costs as much as the refusal itself.
TINY_BODY = 4_096

# How long the body of a table may take to come: a client that stops in the middle must not keep its place.
BODY_SECONDS = 30.0


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
        self._tracing = tracing
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-requests")
        self._rates = RateLimit(options.rate_limit, shared=options.exchange) if options.rate_limit else None
        self._access_log = AccessLog(options.access_log)
        self.price_per_hour = options.price_per_hour
        self.exchange = Exchange(options.exchange, metrics)
        self._full = refusal_of(Overloaded(_full(options)))
        self._tables = 0
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)
        self.take_over(model)
        self._routes = {
            "/v1/predict": ("POST", self.predict),
            "/v1/score": ("POST", self.score),
            "/v1/explain": ("POST", self.explain),
            f"/v2/models/{model.serving.workload}/infer": ("POST", self.infer),
            **{path: ("GET", page) for path, page in pages_of(self).items()},
        }

    def take_over(self, model: Model) -> None:
        """Answer from now on with another build; what is in flight finishes with the old one."""
        self.model = model
        self.metrics.watch(model.serving.answer.bounds)
        # Each build has a queue of its own: rows that one contract let in are never answered by another build.
        self._batcher = Batcher(model, self.metrics, self._options, self._on_answered, self._large)
        self._answers = Answers(model)
        self._explainer = Explainer(model)
        # Under load, refusing must cost as little as it can.
        self._full_replies = {version: self._full.prepared(version, model.build_id) for version in ("/v1", "/v2")}

    async def answer(self, request: Request) -> Reply:
        """Return the reply to any request."""
        start = time.perf_counter()
        metrics = self.metrics
        path = request.path
        # Probes and scrapes come by the second and tell nothing.
        if self._tracing is not None and request.method == "POST":
            request.trace = self._tracing.begin(request.header("traceparent"))
        method, handler = self._routes.get(path, ("", None))
        if handler is None:
            path = "other"
            reason = f"no such path; there are {', '.join(self._routes)}"
            reply = self._refused(Refusal(404, "not_found", reason), request)
        elif request.method != method and (request.method, method) != ("HEAD", "GET"):
            reason = f"{path} takes {method}, not {request.method}"
            reply = self._refused(Refusal(405, "method_not_allowed", reason, (("allow", method),)), request)
        elif method == "POST" and metrics.in_flight >= self._options.queue_requests:
            metrics.count_error(self._full.kind)
            reply = self._full_replies[path[:3]](self.request_id(request.header("x-request-id")))
            if int(request.header("content-length") or SMALL_BODY) > TINY_BODY and not await _discarded(request):
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
            self._access_log.note(request, reply, seconds, self.model.build_id)
        if self._tracing is not None and request.trace is not None:
            self._tracing.end(request.trace, path, reply[0], self.model.build_id)
        # While the service drains, clients with open connections must turn to somebody else.
        return closing(reply) if self.draining else reply

    def _refused(self, refusal: Refusal, request: Request) -> Reply:
        request_id = self.request_id(request.header("x-request-id"))
        return refusal.reply(request.path, self.model.build_id, request_id)

    def note_failure(self, error: Exception, path: str) -> Refusal:
        """Return what to tell a client whose request was refused or failed; report what is our fault, and count it."""
        refusal = refusal_of(error)
        if refusal.status == 500:
            report("request failed", path=path, error=f"{type(error).__name__}: {error}")
        self.metrics.count_error(refusal.kind)
        return refusal

    async def predict(self, request: Request) -> Reply:
        """Answer rows given as JSON."""
        arrived = time.perf_counter()
        await self._limit_rate(request)
        model, batcher, encoder = self.model, self._batcher, self._answers
        body = await request.body(model.serving.max_body_bytes)
        rows = model.decoder.decode(body)
        request_id = self.request_id(request.header("x-request-id"))
        deadline = arrived + self._patience(request)
        early = partial(self._send, request.send, encoder, request_id) if request.send else None
        answers = await batcher.submit(rows, request_id, arrived, deadline, early, request.trace)
        return request.sent or (200, JSON, encoder.encode(answers, request_id))

    def _send(self, send: Callable[[Reply], None], encoder: Answers, request_id: str, answers: list[Any]) -> None:
        reply: Reply = (200, JSON, encoder.encode(answers, request_id))
        send(closing(reply) if self.draining else reply)

    async def infer(self, request: Request) -> Reply:
        """Answer tensors of the Open Inference Protocol, over REST."""
        await self._limit_rate(request)
        asked = open_inference.decode(await request.body(self.model.serving.max_body_bytes))
        given = self.request_id(request.header("x-request-id")) if asked.id is None else asked.id
        wanted = [output.name for output in asked.outputs]
        answered = await self._answer_tensors(asked.inputs, wanted, given, self._patience(request), request.trace)
        return 200, JSON, open_inference.encode(answered.model, answered.outputs, answered.request_id)

    async def answer_tensors(
        self, inputs: Sequence[Tensor], wanted: Sequence[str], given: str, patience: float | None, client: str
    ) -> AnsweredTensors:
        """Answer tensors of the Open Inference Protocol, from another server in this event loop."""
        self._admit(client)
        limit = self._options.deadline_seconds
        patience = min(limit, patience if patience is not None else limit)
        return await self._answer_tensors(inputs, wanted, given or self.request_id(None), patience)

    async def _answer_tensors(
        self, inputs: Sequence[Tensor], wanted: Sequence[str], given: str, patience: float, trace: Trace | None = None
    ) -> AnsweredTensors:
        arrived = time.perf_counter()
        model, batcher = self.model, self._batcher
        request_id, names = open_inference.check_id(given), open_inference.check_outputs(model, wanted)
        rows = model.decoder.check(open_inference.rows_of(inputs, model))
        answers = await batcher.submit(rows, request_id, arrived, arrived + patience, trace=trace)
        return AnsweredTensors(model, request_id, open_inference.outputs_of(model, answers, names))

    async def score(self, request: Request) -> Reply:
        """Answer a table given as an Arrow stream or a Parquet file."""
        await self._limit_rate(request)
        if self._tables >= self._options.queue_tables:
            raise Overloaded(
                f"{self._options.queue_tables} tables are waiting or being answered, which is {_limit(self._options)}"
            )
        self._tables += 1
        try:
            return await self._answer_table(request)
        finally:
            self._tables -= 1

    async def _answer_table(self, request: Request) -> Reply:
        model, batcher = self.model, self._batcher
        content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
        if content_type not in (columnar.ARROW, columnar.PARQUET):
            raise WrongContentType(
                f"content-type {content_type or 'missing'}; use {columnar.ARROW} or {columnar.PARQUET}"
            )
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.body(model.serving.max_body_bytes)
        except TimeoutError:
            raise Expired(f"the body did not come within {BODY_SECONDS:g} s") from None
        arrived = time.perf_counter()
        request_id = self.request_id(request.header("x-request-id"))
        deadline = arrived + self._patience(request)

        def answer() -> bytes:
            check_deadline(arrived, deadline)
            columns = columnar.columns_of(columnar.read_table(body, content_type), model.contract)
            return columnar.write_answers(model, batcher.answer_columns(columns, request_id), request_id)

        reply = await asyncio.get_running_loop().run_in_executor(self._large, answer)
        return 200, (("content-type", columnar.ARROW),), reply

    async def explain(self, request: Request) -> Reply:
        """Answer rows given as JSON, and tell what each field had to do with it."""
        arrived = time.perf_counter()
        await self._limit_rate(request)
        model, explainer = self.model, self._explainer
        rows = model.decoder.decode(await request.body(model.serving.max_body_bytes))
        deadline = arrived + self._patience(request)
        request_id = self.request_id(request.header("x-request-id"))
        cost = len(rows) * explainer.answers_a_row
        if cost > max(model.serving.max_rows, explainer.answers_a_row):
            most = max(1, model.serving.max_rows // explainer.answers_a_row)
            raise TooManyRows(f"{len(rows)} rows to explain, {explainer.answers_a_row} answers each; at most {most}")
        self._batcher.take_room(cost)

        def answer() -> bytes:
            check_deadline(arrived, deadline)
            return explainer.explain(rows, request_id)

        try:
            body = await asyncio.get_running_loop().run_in_executor(self._large, answer)
        finally:
            self.metrics.waiting_rows -= cost
        self.metrics.explained_rows += len(rows)
        return 200, JSON, body

    def request_id(self, wanted: str | None) -> str:
        """Return what a client calls its request if that may stand in a header, else a new name."""
        return wanted if wanted and _REQUEST_ID.fullmatch(wanted) else f"{self._prefix}-{next(self._numbers)}"

    def _patience(self, request: Request) -> float:
        """Return how many seconds a request may take: what the client says, at most what the service allows."""
        header = request.header("x-request-timeout-ms")
        limit = self._options.deadline_seconds
        if header is None:
            return limit
        try:
            return min(limit, max(0.0, float(header) / 1_000))
        except ValueError:
            raise MalformedRequest(f"x-request-timeout-ms must be a number of milliseconds, not {header!r}") from None

    async def _limit_rate(self, request: Request) -> None:
        """Raise RateLimited if the client of a request asks too often."""
        if self._rates is None:
            return
        name = request.header(self._options.client_header) if self._options.client_header else None
        try:
            self._rates.take(name or request.client)
        except RateLimited as error:
            error.unread = not await _discarded(request)
            raise

    def _admit(self, client: str) -> None:
        """Let a request of a client in, or raise NotTaken before any work is done for it."""
        if self._rates is not None:
            self._rates.take(client)
        if self.metrics.in_flight > self._options.queue_requests:
            raise Overloaded(_full(self._options))


async def _discarded(request: Request) -> bool:
    """Read a body away, so that the connection can stay open; False if it is too large for that."""
    try:
        await request.body(SMALL_BODY)
    except BodyTooLarge:
        return False
    return True


def _full(options: Options) -> str:
    return f"{options.queue_requests} requests are being answered, which is {_limit(options)}"


def _limit(options: Options) -> str:
    return "the limit" if (options.workers or 1) == 1 else f"the limit of each of {options.workers} workers"
