"""Data planes in processes of their own, always stopped again."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 60


@dataclass
class Running:
    """A data plane that answers."""

    process: "subprocess.Popen[str]"
    url: str
    build: str
    client: httpx.Client
    log: Path
    grpc: str = ""
    workers: int = 1
    because: str = ""

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        assert url.port is not None, "the data plane names its port"
        return url.host, url.port

    def post(self, rows: Any, **options: Any) -> httpx.Response:
        return self.client.post("/v1/predict", json=rows, **options)

    def stop(self) -> int:
        """Ask it to stop as a supervisor would, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@contextmanager
def servers(folder: Path) -> Iterator[Callable[..., Running]]:
    """Yield a function that starts a data plane on a free port; all are stopped at the end, whatever happens."""
    processes: list[subprocess.Popen[str]] = []
    clients: list[httpx.Client] = []

    def start(*arguments: str | Path, workers: int | None = 1) -> Running:
        log = folder / f"serve-{len(processes)}.log"
        command = [sys.executable, "-m", "deployments.data_plane", "--port", "0", "--drain-seconds", "0"]
        command += [*([] if workers is None else ["--workers", str(workers)]), *map(str, arguments)]
        with log.open("w") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        processes.append(process)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else ""
        assert line, f"the data plane did not start: {log.read_text()}"
        said = json.loads(line)
        clients.append(httpx.Client(base_url=said["url"], timeout=20))
        told = {key: said[key] for key in ("url", "build", "grpc", "workers", "because") if key in said}
        return Running(process=process, client=clients[-1], log=log, **told)

    try:
        yield start
    finally:
        for client in clients:
            client.close()
        for process in processes:
            _stop(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def refused(*arguments: str | Path) -> tuple[int, str]:
    """Return exit code and standard error of a data plane that does not start."""
    command = [sys.executable, "-m", "deployments.data_plane", "--port", "0", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stdout
    return done.returncode, done.stderr


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return when the condition holds; fail the test if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
