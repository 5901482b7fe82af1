"""The service itself, apart from any server: requests in, replies out."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from deployments.data_plane import columnar, open_inference
from deployments.data_plane.access_log import AccessLog
from deployments.data_plane.answers import Answers
from deployments.data_plane.batching import Answered, Batcher, Expired
from deployments.data_plane.events import report
from deployments.data_plane.exchange import Exchange
from deployments.data_plane.limits import NotTaken, Overloaded, RateLimit, RateLimited
from deployments.data_plane.metrics import Metrics
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.pages import pages_of
from deployments.data_plane.protocol import JSON, BodyTooLarge, Reply, Request, problem
from deployments.data_plane.request import InvalidRow, MalformedRequest, TooManyRows


class WrongContentType(Exception):
    """The body is of a type that the path does not take."""


_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SMALL_BODY = 65_536
_CLOSE = (("connection", "close"),)


class Service:
    """Answers requests with the current build; belongs to one event loop."""

    def __init__(
        self, model: Model, options: Options, metrics: Metrics, on_answered: Callable[[Answered], None] | None = None
    ) -> None:
        self.metrics = metrics
        self.draining = False
        self._options = options
        self._on_answered = on_answered
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large-requests")
        self._rates = RateLimit(options.rate_limit) if options.rate_limit else None
        self._access_log = AccessLog(options.access_log)
        self.price_per_hour = options.price_per_hour
        self.exchange = Exchange(options.exchange, metrics)
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)
        self.take_over(model)
        self._routes = {
            "/v1/predict": ("POST", self.predict),
            "/v1/score": ("POST", self.score),
            f"/v2/models/{model.serving.workload}/infer": ("POST", self.infer),
            **{path: ("GET", page) for path, page in pages_of(self).items()},
        }

    def take_over(self, model: Model) -> None:
        """Answer from now on with another build; what is in flight finishes with the old one."""
        self.model = model
        # Each build has a queue of its own: rows that one contract let in are never answered by another build.
        self._batcher = Batcher(model, self.metrics, self._options, self._on_answered, self._large)
        self._answers = Answers(model)

    async def answer(self, request: Request) -> Reply:
        """Return the reply to any request."""
        start = time.perf_counter()
        metrics = self.metrics
        path = request.path
        method, handler = self._routes.get(path, ("", None))
        if handler is None:
            path = "other"
            reply = problem(404, "not_found", f"no such path; there are {', '.join(self._routes)}")
        elif request.method != method and (request.method, method) != ("HEAD", "GET"):
            reason = f"{path} takes {method}, not {request.method}"
            reply = problem(405, "method_not_allowed", reason, (("allow", method),))
        else:
            metrics.in_flight += 1
            try:
                reply = await handler(request)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the boundary of the service: every failure becomes an answer
                reply = self._explain(error, path)
            finally:
                metrics.in_flight -= 1
        seconds = time.perf_counter() - start
        metrics.latency.observe(seconds)
        metrics.count_answer(path, reply[0])
        if self._options.access_log or reply[0] == 500:
            self._access_log.note(request, reply, seconds, self.model.build_id)
        if self.draining:
            # Clients with open connections must turn to somebody else before this process ends.
            return reply[0], (*reply[1], *_CLOSE), reply[2]
        return reply

    def _explain(self, error: Exception, path: str) -> Reply:
        """Return the answer to a request that was refused or failed, and count it."""
        match error:
            case InvalidRow():
                kind, reply = "invalid_row", problem(422, "invalid_row", error.reason, field=error.field, row=error.row)
            case MalformedRequest():
                kind, reply = "malformed", problem(400, "malformed", str(error))
            case BodyTooLarge() | TooManyRows():
                kind, reply = "too_large", problem(413, "too_large", str(error), _CLOSE)
            case WrongContentType():
                kind, reply = "content_type", problem(415, "content_type", str(error), _CLOSE)
            case NotTaken():
                status, kind = (429, "rate_limited") if isinstance(error, RateLimited) else (503, "overloaded")
                retry = (("retry-after", str(error.retry_after)), *(_CLOSE if error.unread else ()))
                reply = problem(status, kind, str(error), retry)
            case Expired():
                kind, reply = "expired", problem(504, "expired", str(error))
            case _:
                report("request failed", path=path, error=f"{type(error).__name__}: {error}")
                kind, reply = "failed", problem(500, "failed", "the service failed to answer; it is in its log")
        self.metrics.count_error(kind)
        return reply

    async def predict(self, request: Request) -> Reply:
        """Answer rows given as JSON."""
        arrived = time.perf_counter()
        await self._admit_or_discard(request)
        model, batcher, answers = self.model, self._batcher, self._answers
        body = await request.body(model.serving.max_body_bytes)
        rows = model.decoder.decode(body)
        request_id = self._request_id(request.header("x-request-id"))
        probabilities = await batcher.submit(rows, request_id, arrived, arrived + self._patience(request))
        return 200, JSON, answers.encode(probabilities, request_id)

    async def infer(self, request: Request) -> Reply:
        """Answer tensors of the Open Inference Protocol."""
        arrived = time.perf_counter()
        await self._admit_or_discard(request)
        model, batcher = self.model, self._batcher
        asked = open_inference.decode(await request.body(model.serving.max_body_bytes))
        rows = model.decoder.check(open_inference.rows_of(asked.inputs, model))
        request_id = self._request_id(asked.id or request.header("x-request-id"))
        probabilities = await batcher.submit(rows, request_id, arrived, arrived + self._patience(request))
        return 200, JSON, open_inference.encode(model, probabilities, request_id)

    async def score(self, request: Request) -> Reply:
        """Answer a table given as an Arrow stream or a Parquet file."""
        await self._admit_or_discard(request)
        model, batcher = self.model, self._batcher
        content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
        if content_type not in (columnar.ARROW, columnar.PARQUET):
            raise WrongContentType(
                f"content-type {content_type or 'missing'}; use {columnar.ARROW} or {columnar.PARQUET}"
            )
        body = await request.body(model.serving.max_body_bytes)
        request_id = self._request_id(request.header("x-request-id"))

        def answer() -> bytes:
            columns = columnar.columns_of(columnar.read_table(body, content_type), model.contract)
            return columnar.write_answers(model, batcher.answer_columns(columns, request_id), request_id)

        reply = await asyncio.get_running_loop().run_in_executor(self._large, answer)
        return 200, (("content-type", columnar.ARROW),), reply

    def _request_id(self, wanted: str | None) -> str:
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

    async def _admit_or_discard(self, request: Request) -> None:
        """Let a request in, or raise NotTaken; a small body is read away, so that the connection can stay open."""
        try:
            self._admit(request)
        except NotTaken as error:
            try:
                await request.body(SMALL_BODY)
            except BodyTooLarge:
                error.unread = True
            raise

    def _admit(self, request: Request) -> None:
        """Let a request in, or raise NotTaken before any work is done for it."""
        options = self._options
        if self._rates is not None:
            client = request.header(options.client_header) if options.client_header else None
            self._rates.take(client or request.client)
        if self.metrics.in_flight > options.queue_requests:
            raise Overloaded(f"{options.queue_requests} requests are being answered, which is the limit")
