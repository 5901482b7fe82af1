"""Granian around the application: one parent that supervises, one process a worker."""

import errno
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import MPServer

from components.artefacts.build import open_build
from components.artefacts.errors import HostError, ServingError, SlipwayError
from components.artefacts.lifetime import when_it_ends
from components.artefacts.storage import scratch_prefix, sweep
from deployments.data_plane.champion import wanted_build
from deployments.data_plane.options import Options, address_of
from deployments.data_plane.workers import choose_workers, share_limits

START_SECONDS = 60.0
# From the end of draining: what is in flight is answered for so long. Whoever starts a service waits a little longer.
FINISH_SECONDS = 10
# Whoever sends SIGTERM to all processes of a service sends it to its command too, which passes it on: asked once.
SAME_SECONDS = 1.0


class _Ready(msgspec.Struct, tag="ready"):
    build: str


class _Failed(msgspec.Struct, tag="failed"):
    reason: str
    exit_code: int


class _Link:
    """What parent and workers tell each other: ready or failed up, draining and ending down."""

    def __init__(self) -> None:
        self.receiver, self.sender = multiprocessing.Pipe(duplex=False)
        self.draining = multiprocessing.Event()
        # Closed to end the workers; an event would wait for those that wait for it, also for a dead one.
        self._ended, self._ending = multiprocessing.Pipe(duplex=False)

    def tell(self, message: _Ready | _Failed) -> None:
        self.sender.send_bytes(msgspec.json.encode(message))

    def end(self) -> None:
        """Tell the workers to end."""
        self._ending.close()

    def until_ended(self) -> None:
        """Wait in a worker until the parent tells it to end, or is gone."""
        multiprocessing.connection.wait([self._ended])

    def belongs_to_worker(self) -> None:
        """Let go of what the parent alone holds."""
        self._ending.close()


def _load(target: str, options: Options, link: _Link) -> Any:
    """Make the application in a worker process; what goes wrong is told to the parent in one line."""
    # Ctrl-C goes to everybody in front of a terminal, SIGTERM to everybody whom a supervisor of control groups knows:
    # the parent decides who stops, and when. Threads inherit what is blocked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    link.belongs_to_worker()
    threading.Thread(target=_end_when_told, args=(link,), name="told-to-end", daemon=True).start()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        # Nobody else would stop a worker whose parent was killed.
        when_it_ends(parent.pid, _end_without_parent)
    from deployments.data_plane.application import Application

    try:
        application = Application(
            options,
            on_ready=lambda: link.tell(_Ready(application.service.model.build_id)),
            draining=link.draining.is_set,
        )
    except SlipwayError as error:
        link.tell(_Failed(str(error), error.exit_code))
        sys.exit(error.exit_code)
    except BaseException as error:
        link.tell(_Failed(f"a worker did not start: {type(error).__name__}: {error}", ServingError.exit_code))
        raise
    return application


def _end_when_told(link: _Link) -> None:
    """Wait until the parent ends its workers, or is gone."""
    link.until_ended()
    _end_once()


def _end_without_parent() -> None:
    _end_once()
    time.sleep(FINISH_SECONDS)
    os._exit(ServingError.exit_code)


_told = threading.Lock()


def _end_once() -> None:
    """Let one SIGTERM through to this worker, and no other: Granian waits for ever in its second."""
    if _told.acquire(blocking=False):
        # One that came before was not for this process.
        signal.sigtimedwait({signal.SIGTERM}, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


class _Server(MPServer):
    """Granian, but told to stop politely: first unready, then closed; asked a third time, at once."""

    drain_seconds = 0.0
    link: _Link
    _asked_at: float | None = None

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        # A second signal, or Ctrl-C, does not wait.
        if args[:1] == (signal.SIGTERM,):
            now = time.monotonic()
            if self._asked_at is not None and now - self._asked_at < SAME_SECONDS:
                return
            self._asked_at = now
            if self.drain_seconds and not self.link.draining.is_set():
                self.link.draining.set()
                threading.Timer(self.drain_seconds, super().signal_handler_interrupt).start()
                return
        if self.interrupt_signal:
            for worker in self.wrks:
                worker.kill()  # type: ignore[no-untyped-call]
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        self.link.end()
        super()._stop_workers()  # type: ignore[no-untyped-call]


def reserve_port(host: str, port: int, option: str = "--port") -> tuple[socket.socket, int]:
    """Return a socket that holds the port (0: any free one) without listening; HostError if it is in use.

    ``option`` is what gives another one.

    Granian's workers share a port through SO_REUSEPORT, which would also let two services share it unnoticed: so the
    port is first taken alone.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, port))
            alone.listen(1)
            port = alone.getsockname()[1]
        held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise HostError(
                f"port {port} of {host} is in use; give another one with {option} (0 takes a free one)"
            ) from None
        raise HostError(f"cannot listen on {address_of(host, port)}: {error.strerror}") from None
    except ValueError as error:
        # What can be no name of a host: too long, or with a NUL in it.
        raise HostError(f"cannot listen on {address_of(host[:80], port)}: {error}") from None
    return held, port


def counts_folder() -> Path:
    """Return a new folder for the counts of a service's workers; those of services that were killed go."""
    shared = Path(tempfile.gettempdir())
    sweep(shared, below=False)
    return Path(tempfile.mkdtemp(dir=shared, prefix=scratch_prefix("slipway-counts")))


def serve(options: Options) -> None:
    """Serve until told to stop; raises SlipwayError if the service does not start."""
    if options.owner is not None:
        when_it_ends(options.owner, partial(os.kill, os.getpid(), signal.SIGTERM))
    wanted = wanted_build(options)
    # Checked here first: one clear error instead of one a worker.
    declared = open_build(wanted.path, options.public_key, build_id=wanted.build_id).serving()
    workers, because = choose_workers(options.workers)
    options = share_limits(options, workers)
    if workers > 1:
        options = msgspec.structs.replace(options, exchange=counts_folder())
    held, port = reserve_port(options.host, declared.port if options.port is None else options.port)
    held_grpc: AbstractContextManager[Any] = nullcontext()
    if options.grpc_port is not None:
        held_grpc, grpc_port = reserve_port(options.host, options.grpc_port, "--grpc-port")
        options = msgspec.structs.replace(options, grpc_port=grpc_port)
    link = _Link()
    server = _Server(
        target="deployments.data_plane",
        address=options.host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=4_096,
        backpressure=8_192,
        log_level=LogLevels.critical,
        workers_kill_timeout=FINISH_SECONDS,
        # A worker that dies is replaced; one that dies again at once ends the service.
        respawn_failed_workers=True,
    )
    server.link, server.drain_seconds = link, options.drain_seconds
    failure: list[_Failed] = []
    line = {
        "url": f"http://{address_of(options.host, port)}",
        "pid": os.getpid(),
        "workers": workers,
        "because": because,
    }
    if options.grpc_port is not None:
        line["grpc"] = address_of(options.host, options.grpc_port)
    announcer = threading.Thread(target=_announce, args=(server, link, line, workers, failure), daemon=True)
    server.on_startup(announcer.start)
    try:
        with held, held_grpc:
            server.serve(target_loader=partial(_load, options=options, link=link))
    except SystemExit as stop:
        announcer.join(timeout=1)
        if not failure:
            failure.append(_Failed("a worker stopped unexpectedly; see the log", int(stop.code or 1)))
    finally:
        if options.exchange is not None:
            shutil.rmtree(options.exchange, ignore_errors=True)
    if failure:
        raise _error_of(failure[0])


def _announce(server: Any, link: _Link, line: dict[str, Any], workers: int, failure: list[_Failed]) -> None:
    """Wait for every worker, then print the line that says where the service is."""
    end = time.monotonic() + START_SECONDS
    build = ""
    for _ in range(workers):
        if not link.receiver.poll(max(0.0, end - time.monotonic())):
            failure.append(_Failed(f"not ready within {START_SECONDS:g} s", ServingError.exit_code))
            break
        message = msgspec.json.decode(link.receiver.recv_bytes(), type=_Ready | _Failed)
        if isinstance(message, _Failed):
            failure.append(message)
            break
        build = message.build
    if failure:
        server.signal_handler_interrupt()
        return
    sys.stdout.write(msgspec.json.encode(line | {"build": build}).decode() + "\n")
    sys.stdout.flush()


def _error_of(failed: _Failed) -> SlipwayError:
    error = ServingError(failed.reason)
    error.exit_code = failed.exit_code
    return error
