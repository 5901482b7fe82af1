"""The data plane as a process: started on a build or a rollout document, waited for, ended in order.

The pipeline knows the data plane as a command and an HTTP interface only, never as an import.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from components.artefacts.errors import ServingError
from components.service.said import Said
from components.user_modules import child_environment

DATA_PLANE = "deployments.data_plane"
START_SECONDS = 60.0
# The data plane drains for a second and lets what is in flight end within ten.
STOP_SECONDS = 15.0


class Endpoint(msgspec.Struct, frozen=True):
    """What a data plane says once it answers: where, with how many workers, and why so many."""

    url: str
    workers: int
    because: str
    grpc: str | None = None


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
    said = Said(process.stderr)
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


def _wait_until_ready(process: subprocess.Popen[bytes], said: Said) -> Endpoint:
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
