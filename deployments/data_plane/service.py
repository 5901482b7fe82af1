"""The service itself, apart from any server: requests in, replies out."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Protocol

import msgspec

from deployments.data_plane.batching import Batcher, Expired, Overloaded
from deployments.data_plane.events import report
from deployments.data_plane.metrics import Metrics
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.request import InvalidRow, MalformedRequest, TooManyRows

JSON = [("content-type", "application/json")]
HTML = [("content-type", "text/html; charset=utf-8")]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

Headers = list[tuple[str, str]]
Reply = tuple[int, Headers, bytes]


class BodyTooLarge(Exception):
    """The body is larger than the build's limit."""


class Request(Protocol):
    """One HTTP request, whatever the server."""

    method: str
    path: str

    def header(self, name: str) -> str | None:
        """Return a header by its lower-case name."""

    async def body(self, limit: int) -> bytes:
        """Return the body; raises BodyTooLarge without reading all of it."""


class _Active(msgspec.Struct, frozen=True):
    """The build that answers, with its queue and the constant beginning of its answers."""

    model: Model
    batcher: Batcher
    label: str
    opening: bytes


class Service:
    """Answers requests with the current build; belongs to one event loop."""

    def __init__(self, model: Model, options: Options, metrics: Metrics, draining: Callable[[], bool]) -> None:
        self.metrics = metrics
        self._options = options
        self._draining = draining
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)
        self._active = self._activate(model)
        self._routes: dict[str, tuple[str, Callable[[Request], Awaitable[Reply]]]] = {
            "/v1/predict": ("POST", self._predict),
            "/livez": ("GET", self._live),
            "/readyz": ("GET", self._ready),
            "/metrics": ("GET", self._metrics_page),
            "/openapi.json": ("GET", self._openapi),
            "/docs": ("GET", self._docs),
        }

    @property
    def model(self) -> Model:
        return self._active.model

    def take_over(self, model: Model) -> None:
        """Answer from now on with another build; what is in flight finishes with the old one."""
        self._active = self._activate(model)

    async def answer(self, request: Request) -> Reply:
        """Return the reply to any request."""
        start = time.perf_counter()
        path = request.path
        route = self._routes.get(path)
        if route is None:
            path = "other"
            reply = problem(404, None, f"no such path; there are {', '.join(self._routes)}")
        elif request.method != route[0] and (request.method, route[0]) != ("HEAD", "GET"):
            status, headers, body = problem(405, None, f"{request.path} takes {route[0]}, not {request.method}")
            reply = status, [*headers, ("allow", route[0])], body
        else:
            reply = await self._guarded(route[1], request)
        self.metrics.latency.observe(time.perf_counter() - start)
        self.metrics.count_answer(path, reply[0])
        return reply

    async def _guarded(self, handler: Callable[[Request], Awaitable[Reply]], request: Request) -> Reply:
        try:
            return await handler(request)
        except InvalidRow as error:
            return self._refuse(422, "invalid_row", error.reason, field=error.field, row=error.row)
        except MalformedRequest as error:
            return self._refuse(400, "malformed", str(error))
        except (BodyTooLarge, TooManyRows) as error:
            return self._refuse(413, "too_large", str(error))
        except Overloaded as error:
            status, headers, body = self._refuse(503, "overloaded", str(error))
            return status, [*headers, ("retry-after", "1")], body
        except Expired as error:
            return self._refuse(504, "expired", str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the boundary of the service: reported in full, answered without inner details
            report("request failed", path=request.path, error=f"{type(error).__name__}: {error}")
            return self._refuse(500, "failed", "the service failed to answer; it is in its log")

    def _refuse(self, status: int, kind: str, reason: str, **place: Any) -> Reply:
        self.metrics.count_error(kind)
        return problem(status, kind, reason, **place)

    async def _predict(self, request: Request) -> Reply:
        arrived = time.perf_counter()
        active = self._active
        body = await request.body(active.model.serving.max_body_bytes)
        rows = active.model.decoder.decode(body)
        probabilities = await active.batcher.submit(rows, arrived, arrived + self._options.deadline_seconds)
        return 200, JSON, self._encode(active, probabilities, request.header("x-request-id"))

    def _encode(self, active: _Active, probabilities: list[float], wanted: str | None) -> bytes:
        request_id = wanted if wanted and _REQUEST_ID.fullmatch(wanted) else f"{self._prefix}-{next(self._numbers)}"
        threshold = active.model.serving.decision_threshold
        label = active.label
        predictions = ",".join(
            [f'{{"probability":{p!r},{label}:{"true" if p >= threshold else "false"}}}' for p in probabilities]
        )
        return b'%b,"request_id":"%b","predictions":[%b]}' % (
            active.opening,
            request_id.encode(),
            predictions.encode(),
        )

    def _activate(self, model: Model) -> _Active:
        batcher = Batcher(model, self.metrics, self._options.batch_rows, self._options.queue_rows)
        opening = b'{"build":' + msgspec.json.encode(model.build_id)
        return _Active(model, batcher, msgspec.json.encode(model.serving.label).decode(), opening)

    async def _live(self, request: Request) -> Reply:
        return 200, JSON, b'{"live":true}'

    async def _ready(self, request: Request) -> Reply:
        # The model was warmed up and checked before there was a service: only draining can make it unready.
        if self._draining():
            return 503, [*JSON, ("retry-after", "1")], b'{"ready":false,"reason":"draining"}'
        return 200, JSON, msgspec.json.encode({"ready": True, "build": self.model.build_id})

    async def _metrics_page(self, request: Request) -> Reply:
        from deployments.data_plane import exposition

        labels = {"build": self.model.build_id, "workload": self.model.serving.workload}
        body = exposition.render(self.metrics, labels, self._options.price_per_hour)
        return 200, [("content-type", exposition.CONTENT_TYPE)], body

    async def _openapi(self, request: Request) -> Reply:
        from deployments.data_plane.openapi import describe

        return 200, JSON, msgspec.json.encode(describe(self.model))

    async def _docs(self, request: Request) -> Reply:
        from deployments.data_plane.docs_page import page

        return 200, HTML, page(self.model)


def problem(status: int, kind: str | None, reason: str, **place: Any) -> Reply:
    """Return an error reply: what is wrong, where, and what is allowed."""
    kinds = {404: "not_found", 405: "method_not_allowed"}
    error = {"kind": kind or kinds.get(status, "error"), "reason": reason, **place}
    return status, JSON, msgspec.json.encode({"error": error})
