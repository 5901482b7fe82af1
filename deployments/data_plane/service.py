"""The service itself, apart from any server: requests in, replies out."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import msgspec

from deployments.data_plane.access_log import AccessLog
from deployments.data_plane.answers import Answers
from deployments.data_plane.batching import Answered, Batcher, Expired
from deployments.data_plane.events import report
from deployments.data_plane.exchange import Exchange
from deployments.data_plane.limits import NotTaken, Overloaded, RateLimit, RateLimited
from deployments.data_plane.metrics import Metrics
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import HTML, JSON, BodyTooLarge, Reply, Request, problem
from deployments.data_plane.request import InvalidRow, MalformedRequest, TooManyRows

Handler = Callable[[Request], Awaitable[Reply]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SMALL_BODY = 65_536
_RETRY = (("retry-after", "1"),)
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
        self.exchange = Exchange(options.exchange, metrics)
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/v1/predict": ("POST", self._predict),
            "/livez": ("GET", self._live),
            "/readyz": ("GET", self._ready),
            "/metrics": ("GET", self._metrics_page),
            "/openapi.json": ("GET", self._openapi),
            "/docs": ("GET", self._docs),
        }
        self.take_over(model)

    @property
    def model(self) -> Model:
        return self._model

    def take_over(self, model: Model) -> None:
        """Answer from now on with another build; what is in flight finishes with the old one."""
        self._model = model
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
            self._access_log.note(request, reply, seconds, self._model.build_id)
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

    async def _predict(self, request: Request) -> Reply:
        arrived = time.perf_counter()
        try:
            self._admit(request)
        except NotTaken as error:
            await _discard(request, error)
            raise
        model, batcher, answers = self._model, self._batcher, self._answers
        body = await request.body(model.serving.max_body_bytes)
        rows = model.decoder.decode(body)
        wanted = request.header("x-request-id")
        request_id = wanted if wanted and _REQUEST_ID.fullmatch(wanted) else f"{self._prefix}-{next(self._numbers)}"
        deadline = arrived + _patience(request.header("x-request-timeout-ms"), self._options.deadline_seconds)
        probabilities = await batcher.submit(rows, request_id, arrived, deadline)
        return 200, JSON, answers.encode(probabilities, request_id)

    def _admit(self, request: Request) -> None:
        """Let a request in, or raise NotTaken before any work is done for it."""
        options = self._options
        if self._rates is not None:
            client = request.header(options.client_header) if options.client_header else None
            self._rates.take(client or request.client)
        if self.metrics.in_flight > options.queue_requests:
            raise Overloaded(f"{options.queue_requests} requests are being answered, which is the limit")

    async def _live(self, request: Request) -> Reply:
        return 200, JSON, b'{"live":true}'

    async def _ready(self, request: Request) -> Reply:
        # The model was warmed up and checked before there was a service: only draining can make it unready.
        if self.draining:
            return 503, (*JSON, *_RETRY), b'{"ready":false,"reason":"draining"}'
        return 200, JSON, msgspec.json.encode({"ready": True, "build": self._model.build_id})

    async def _metrics_page(self, request: Request) -> Reply:
        from deployments.data_plane import exposition

        labels = {"build": self._model.build_id, "workload": self._model.serving.workload}
        body = exposition.render(self.exchange.total(), labels, self._options.price_per_hour)
        return 200, (("content-type", exposition.CONTENT_TYPE),), body

    async def _openapi(self, request: Request) -> Reply:
        from deployments.data_plane.openapi import describe

        return 200, JSON, msgspec.json.encode(describe(self._model))

    async def _docs(self, request: Request) -> Reply:
        from deployments.data_plane.docs_page import page

        return 200, HTML, page(self._model)


async def _discard(request: Request, error: NotTaken) -> None:
    """Read a small body away, so that the connection can stay open; leave a large one unread."""
    try:
        await request.body(SMALL_BODY)
    except BodyTooLarge:
        error.unread = True


def _patience(header: str | None, limit: float) -> float:
    """Return how many seconds a request may take: what the client says, at most what the service allows."""
    if header is None:
        return limit
    try:
        return min(limit, max(0.0, float(header) / 1_000))
    except ValueError:
        raise MalformedRequest(f"x-request-timeout-ms must be a number of milliseconds, not {header!r}") from None
