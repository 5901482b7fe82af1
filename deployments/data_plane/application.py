"""The application a server runs: RSGI for Granian, ASGI for everything else (the Bento mounts that form)."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from deployments.data_plane.champion import Watch, wanted_build
from deployments.data_plane.load.stalled import BodyWatch
from deployments.data_plane.model import Model, load_model
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import BodyTooLarge, Disconnected, Reply
from deployments.data_plane.service import Service
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.prediction_log import PredictionLog
from deployments.data_plane.telemetry.tracing import Trace, Tracing, endpoint

Message = MutableMapping[str, Any]

PULSE_SECONDS = 0.2
GRACE_SECONDS = 5.0
YOUNG_OBJECTS = 50_000


class RsgiRequest:
    """A request as Granian hands it over."""

    __slots__ = ("_headers", "_proto", "_scope", "_watch", "method", "path", "request_id", "sent", "trace")

    def __init__(self, scope: Any, proto: Any, watch: BodyWatch) -> None:
        self._scope = scope
        self._watch = watch
        self._headers = scope.headers
        self._proto = proto
        self.sent: Reply | None = None
        self.trace: Trace | None = None
        self.request_id = ""
        self.method: str = scope.method
        self.path: str = scope.path

    @property
    def client(self) -> str:
        address: str = self._scope.client
        return address.rpartition(":")[0]

    def header(self, name: str) -> str | None:
        value: str | None = self._headers.get(name)
        return value

    def send(self, reply: Reply) -> None:
        self._proto.response_bytes(*reply)
        self.sent = reply

    async def body(self, limit: int) -> bytes:
        length = self.header("content-length")
        reading, task = self._watch.reading, asyncio.current_task()
        reading.add(task)
        try:
            if length is not None:
                check_length(length, limit)
                whole: bytes = await self._proto()
                return whole
            parts: list[bytes] = []
            size = 0
            async for part in self._proto:
                parts.append(part)
                size += len(part)
                check_length(size, limit)
            return b"".join(parts)
        except RuntimeError as error:
            # Granian's RSGIProtocolClosed, which need not be there where the application is mounted in another server.
            raise Disconnected("the client went away before its body had come") from error
        except asyncio.CancelledError:
            self._watch.check(task)
            raise
        finally:
            reading.discard(task)


class AsgiRequest:
    """A request as an ASGI server hands it over."""

    send = sent = None
    __slots__ = ("_headers", "_receive", "_watch", "client", "method", "path", "request_id", "trace")

    def __init__(self, scope: Message, receive: Callable[[], Awaitable[Message]], watch: BodyWatch) -> None:
        self._watch = watch
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        self.trace: Trace | None = None
        self.request_id = ""
        self.client: str = (scope.get("client") or ("unknown", 0))[0]
        self.method: str = scope["method"]
        self.path: str = scope["path"].removeprefix(scope.get("root_path", ""))

    def header(self, name: str) -> str | None:
        wanted = name.encode()
        for key, value in self._headers:
            if key == wanted:
                return value.decode("latin-1")
        return None

    async def body(self, limit: int) -> bytes:
        check_length(self.header("content-length") or 0, limit)
        reading, task = self._watch.reading, asyncio.current_task()
        reading.add(task)
        try:
            return await self._parts(limit)
        except asyncio.CancelledError:
            self._watch.check(task)
            raise
        finally:
            reading.discard(task)

    async def _parts(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected("the client went away before its body had come")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            check_length(size, limit)
            if not message.get("more_body"):
                return b"".join(parts)


def check_length(length: str | int, limit: int) -> None:
    """Raise BodyTooLarge if a body has more bytes than it may."""
    if int(length) > limit:
        raise BodyTooLarge(f"the body has {length} bytes; at most {limit}")


def _settle_process() -> None:
    """Leave collector and threads alone while they do what a service does all day; everything works without."""
    # What is loaded now stays: the collector need not walk it again and again. What is new dies with its request, but
    # for what waits for the prediction log: with the default of 700 objects the collector walked that all the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    # The thread that runs Python wakes the one that writes to the network with every answer. By default that one takes
    # the core at once, if they share one, writes one answer and hands it back; threads of the batch policy do not. The
    # server's threads are made later and inherit it.
    if hasattr(os, "SCHED_BATCH"):
        # Some sandboxes forbid it.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Application:
    """One worker's service behind both interfaces."""

    def __init__(
        self,
        options: Options,
        on_ready: Callable[[], None] = lambda: None,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        wanted = wanted_build(options)
        model = load_model(wanted.path, wanted.workload, options.public_key, build_id=wanted.build_id)
        self._options = options
        self._on_ready = on_ready
        self._draining = draining
        self.metrics = Metrics()
        self._log = PredictionLog(options, self.metrics) if options.predictions else None
        url = endpoint(options.traces)
        self._tracing = (
            Tracing(url, options.trace_share, model.serving.workload, self.metrics) if url is not None else None
        )
        self.service = Service(model, options, self.metrics, self._log.add if self._log else None, self._tracing)
        self._watch: Watch | None = None
        self._pulse: asyncio.TimerHandle | None = None
        self._grpc_start: asyncio.Task[Any] | None = None
        self._started = False
        self._bodies = BodyWatch(options.body_seconds, options.queue_requests)
        _settle_process()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin what runs beside the requests; called in the worker before it takes any."""
        self._started = True
        if self._options.rollout is not None:

            def take_over(model: Model) -> None:
                loop.call_soon_threadsafe(self.service.take_over, model)

            self._watch = Watch(self._options.rollout, self._options, self.service.model, take_over, self.metrics)
            self._watch.start()
        if self._log is not None:
            self._log.start()
        if self._tracing is not None:
            self._tracing.start()
        self._beat(loop)
        if self._options.grpc_port is None:
            loop.call_soon(self._on_ready)
        else:
            self._grpc_start = loop.create_task(self._start_grpc(self._options.host, self._options.grpc_port))

    def ensure_started(self) -> None:
        """Begin if nobody has: frameworks that mount an application do not pass their lifespan on to it."""
        if not self._started:
            self.start(asyncio.get_running_loop())

    async def _start_grpc(self, host: str, port: int) -> Any:
        from deployments.data_plane.grpc_api.servicer import start_grpc

        server = await start_grpc(self.service, host, port)
        self._on_ready()
        return server

    def stop(self) -> None:
        """End what runs beside the requests; what was logged is written."""
        if self._watch is not None:
            self._watch.stop()
        if self._pulse is not None:
            self._pulse.cancel()
        self.service.close()
        if self._log is not None:
            self._log.stop()
        if self._tracing is not None:
            self._tracing.stop()

    def _stop_grpc(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let calls in flight end, and take no more."""
        if self._grpc_start is not None and self._grpc_start.done():
            loop.run_until_complete(self._grpc_start.result().stop(grace=GRACE_SECONDS))

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look now and then whether to drain, and leave the counts for the other workers."""
        self.service.draining = self._draining()
        self.service.exchange.publish()
        self._bodies.look(loop.time())
        self._pulse = loop.call_later(PULSE_SECONDS, self._beat, loop)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # The server has set a handler that ends this worker alone; the parent ends all, in order.
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.start(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stop_grpc(loop)
        self.stop()

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(403)
            return
        request = RsgiRequest(scope, proto, self._bodies)
        reply = await self.service.answer(request)
        if request.sent is None:
            request.send(reply)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        self.ensure_started()
        status, headers, body = await self.service.answer(AsgiRequest(scope, receive, self._bodies))
        raw = [(key.encode(), value.encode()) for key, value in headers]
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _lifespan(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.start(asyncio.get_running_loop())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
