"""A flame graph of the live data plane under a small load, recorded by py-spy from outside of the process."""

import contextlib
import http.client
import shutil
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from components.artefacts.build import Build
from components.artefacts.errors import HostError
from components.service.asking import ask
from components.service.process import serving

CLIENTS = 4
RATE = 500


def record_flame(build: Build, target: Path, seconds: int) -> Path:
    """Serve a build, keep it busy, and write what its threads did as an SVG flame graph.

    Raises HostError if py-spy is not installed or may not look into other processes.
    """
    program = _py_spy()
    if not target.parent.is_dir():
        raise HostError(f"cannot write {target}: there is no folder {target.parent}")
    arguments = [*build.asked_for(), "--port", "0", "--workers", "1", "--drain-seconds", "0"]
    with serving(arguments) as (endpoint, process), _load(endpoint.url, build):
        command = [
            program,
            "record",
            "--pid",
            str(process.pid),
            "--subprocesses",
            "--native",
            "--duration",
            str(seconds),
            "--rate",
            str(RATE),
            "--output",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not target.is_file():
            # Not every platform can unwind native frames.
            command.remove("--native")
            done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not target.is_file():
        raise HostError(f"py-spy could not record: {_reason(done.stderr)}")
    return target


def _py_spy() -> str:
    beside = Path(sysconfig.get_path("scripts"), "py-spy")
    found = str(beside) if beside.is_file() else shutil.which("py-spy")
    if found is None:
        raise HostError("py-spy is not installed, and a flame graph needs it: pip install 'slipway[profile]'")
    return found


def _reason(said: str) -> str:
    if "ermission" in said:
        return (
            "it may not look into other processes; run as root, or allow it: "
            "sysctl kernel.yama.ptrace_scope=0, in a container --cap-add SYS_PTRACE"
        )
    lines = said.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def _load(url: str, build: Build) -> Iterator[None]:
    """Ask for golden rows over a few connections for the length of the block."""
    ended = threading.Event()
    bodies = [msgspec.json.encode(row) for row in build.golden().rows]

    def client() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        while not ended.is_set():
            for body in bodies:
                ask(connection, body)
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    try:
        yield
    finally:
        ended.set()
        for one in clients:
            one.join()
