"""Start the data plane on a build, send it held-out rows over HTTP, and measure what a client would see.

The pipeline knows the data plane as a command and an HTTP interface only, never as an import.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TextIO
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.answer_shape import differences
from components.artefacts.build import Build
from components.artefacts.errors import ServingError
from components.result import Result
from components.user_modules import child_environment

DATA_PLANE = "deployments.data_plane"
START_SECONDS = 60.0
# The data plane drains for a second and lets what is in flight end within ten.
STOP_SECONDS = 15.0
WARM_UP_REQUESTS = 50
# Of what a process says on standard error: enough for the reason why it ended, and no more while it lives for months.
KEPT_LINES = 100


class LiveCheck(Result):
    """What a client saw of a build that was really served; latencies in milliseconds, one row a request.

    ``max_difference`` is in units of the answers' scale: as it is for probabilities, in sizes of the label where
    it is a number.
    """

    rows: int
    max_difference: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    requests_per_second: float
    start_seconds: float
    usd_per_1000: float


class Endpoint(msgspec.Struct, frozen=True):
    """What a data plane says once it answers: where, with how many workers, and why so many."""

    url: str
    workers: int
    because: str
    grpc: str | None = None


class _Said:
    """Reads what a process says on its standard error as it comes: the last lines are kept, or passed on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, deque[str](maxlen=KEPT_LINES)
        self._target: TextIO | None = None
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def pass_on(self, target: TextIO | None) -> None:
        """Write what was kept and every later line to ``target`` at once; None: go on keeping."""
        with self._turn:
            self._target = target
            if target is not None:
                self._write("".join(self._kept))

    def last_line(self) -> str:
        """Return the last line of a process that has ended, or what there is of one that has not."""
        self._thread.join(timeout=1)
        with self._turn:
            return next((line.strip() for line in reversed(self._kept) if line.strip()), "nothing")

    def close(self) -> None:
        """Take what is left of a process that has ended."""
        # A process that it left behind may hold the other end.
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._stream.close()

    def _listen(self) -> None:
        for raw in self._stream:
            line = raw.decode(errors="replace")
            with self._turn:
                self._kept.append(line)
                self._write(line)

    def _write(self, text: str) -> None:
        if self._target is None:
            return
        try:
            self._target.write(text)
            self._target.flush()
        except (OSError, ValueError):
            # Nobody reads any more; the process must not wait for that.
            self._target = None


@contextlib.contextmanager
def serving(
    arguments: Sequence[str], python: Path | None = None, code: Path | None = None, events: TextIO | None = None
) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Run the data plane for the length of the block; yield where it answers and its process.

    Raises ServingError if it gets not ready.

    With another ``python`` it runs in that one's environment, with the packages below the folder ``code`` alone. What
    it reports once it is ready goes to ``events``.
    """
    # Whatever becomes of us, it ends with us; and Ctrl-C is for us, who stop it in order.
    command = [str(python or sys.executable), "-m", DATA_PLANE, "--owner", str(os.getpid()), *arguments]
    environment = os.environ | {"PYTHONPATH": str(code)} if code else child_environment()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=code, process_group=0
    )
    assert process.stderr
    said = _Said(process.stderr)
    try:
        endpoint = _wait_until_ready(process, said)
        said.pass_on(events)
        yield endpoint, process
    finally:
        stop(process)
        said.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to finish; end it and all of its group if it does not, or if we are asked once more ourselves."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[bytes], said: _Said) -> Endpoint:
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + START_SECONDS
    line = b""
    while time.monotonic() < deadline and not line.endswith(b"\n"):
        line += process.stdout.read() or b""
        if process.poll() is not None and not line.endswith(b"\n"):
            break
        time.sleep(0.02)
    if not line.endswith(b"\n"):
        code = process.poll()
        if code is None:
            raise ServingError(f"the data plane did not get ready within {START_SECONDS:.0f} s")
        error = ServingError(f"the data plane did not start: {said.last_line()}")
        # Its codes are ours: an option, the build, its answers, the machine.
        error.exit_code = code if code > 0 else error.exit_code
        raise error
    return msgspec.json.decode(line.splitlines()[0], type=Endpoint)


def check_live(
    build: Build,
    rows: Sequence[dict[str, Any]],
    evaluated: NDArray[Any],
    price_per_hour: float,
) -> tuple[LiveCheck, NDArray[np.float64]]:
    """Serve a build, send every row alone, and compare the answers with the evaluated ones, [rows, columns].

    Also returns the numbers answered to the golden rows, sent together. The cost of 1,000 answers is that of one
    connection that waits for each answer: an upper bound.
    """
    started, shape = time.perf_counter(), build.serving().answer
    with serving([*build.asked_for(), "--port", "0", "--workers", "1", "--drain-seconds", "0"]) as (endpoint, _):
        start_seconds = time.perf_counter() - started
        address = urlsplit(endpoint.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        try:
            bodies = [msgspec.json.encode(row) for row in rows]
            for body in bodies[:WARM_UP_REQUESTS]:
                ask(connection, body)
            answers, seconds = [], []
            for body in bodies:
                before = time.perf_counter()
                answer = ask(connection, body)
                seconds.append(time.perf_counter() - before)
                answers.append(shape.read(answer["predictions"][0]))
            together = ask(connection, msgspec.json.encode(build.golden().rows))["predictions"]
        finally:
            connection.close()
    p50, p95, p99 = (float(value) for value in np.quantile(seconds, [0.5, 0.95, 0.99]) * 1000)
    per_second = len(seconds) / sum(seconds)
    checked = LiveCheck(
        rows=len(rows),
        max_difference=float(differences(np.array(answers), evaluated).max()) / shape.scale,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        latency_p99_ms=p99,
        requests_per_second=per_second,
        start_seconds=start_seconds,
        usd_per_1000=price_per_hour / 3600 / per_second * 1000,
    )
    return checked, np.array([shape.read(one) for one in together], dtype=np.float64)


def ask(connection: http.client.HTTPConnection, body: bytes) -> dict[str, Any]:
    """Post a JSON row or list of rows to /v1/predict; ServingError if the answer is not 200."""
    connection.request("POST", "/v1/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise ServingError(f"the data plane answered {response.status}: {answer[:300].decode(errors='replace')}")
    decoded: dict[str, Any] = msgspec.json.decode(answer)
    return decoded
