"""A Prefect server for the length of one command: a process of ours, on the home's database, that ends with us.

``start`` returns at once, so that the server starts while we import. It is in a process group of its own: a Ctrl-C of
the terminal is for us, and Prefect must still be there to take down how the run ended. As a program
(``python -m flows.temporary_server PARENT SOCKET``) it is the server itself.
"""

import atexit
import contextlib
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.artefacts.errors import HostError
from components.artefacts.storage import held
from components.user_modules import child_environment

START_SECONDS = 180
STOP_SECONDS = 2.5

# No pages, and no list of block types, which no flow of ours uses and takes two seconds to write.
LEAN = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}


@dataclass(frozen=True)
class TemporaryServer:
    """A server that is starting, or has started."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self.port}/api"

    def wait(self, meanwhile: Iterable[Callable[[], object]] = ()) -> None:
        """Wait until it answers; HostError if it ended, or does not within the limit.

        As long as it does not, one step after the other of ``meanwhile`` is taken.
        """
        deadline = time.monotonic() + START_SECONDS
        steps = iter(meanwhile)
        while not self._answers(steps):
            if self.process.poll() is not None:
                raise HostError(f"the temporary Prefect server did not start: {self._said()}; its log is {self.log}")
            if time.monotonic() > deadline:
                raise HostError(
                    f"the temporary Prefect server did not answer within {START_SECONDS} s; its log is {self.log}"
                )
            time.sleep(0.05)

    def _answers(self, meanwhile: Iterator[Callable[[], object]]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            while not select.select([connection.sock], [], [], 0)[0] and (step := next(meanwhile, None)):
                step()
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _said(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"it ended with status {self.process.returncode}"

    def stop(self) -> None:
        """Ask it to finish what it writes, and end it if it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        # If it did not start, whoever was told of its log may still read it.
        if self.process.returncode in (0, -signal.SIGTERM, -signal.SIGKILL):
            self.log.unlink(missing_ok=True)


def start(folder: Path) -> TemporaryServer:
    """Start a server with the database in ``folder``; it is stopped when this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    # One a command: several may start at once.
    log = folder / f"server-{os.getpid()}.log"
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening, log.open("wb") as written:
        handle = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.temporary_server", str(os.getpid()), str(handle)],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            pass_fds=[handle],
            start_new_session=True,
            env=child_environment() | LEAN,
        )
        server = TemporaryServer(process, listening.getsockname()[1], log)
    atexit.register(server.stop)
    return server


def main() -> None:
    """Be the server."""
    import gc

    from components.artefacts.lifetime import end_with_parent

    parent, handle = map(int, sys.argv[1:])
    end_with_parent(parent)
    # What is imported stays: to look for garbage in it is a fifth of the start.
    gc.disable()
    import prefect
    import uvicorn
    from prefect.server.api.server import create_app

    application = create_app()
    gc.freeze()
    gc.enable()
    listening = socket.socket(fileno=handle)
    config = uvicorn.Config(application, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    created = Path(os.environ["PREFECT_HOME"], f"created-{prefect.__version__}")

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            with _alone_until(created):
                await super().startup(sockets)
            if not self.should_exit:
                created.touch()

    Server(config).run(sockets=[listening])


def _alone_until(created: Path) -> contextlib.AbstractContextManager[None]:
    """Let one server create or migrate the home's database, in the block: two at once meet in the middle of that."""
    return contextlib.nullcontext() if created.exists() else held(created, START_SECONDS)


if __name__ == "__main__":
    main()
