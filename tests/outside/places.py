"""Running commands as a user does: from a folder, with a home, nothing left behind. Nothing here imports Slipway."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A build of the shop takes half a minute on a quiet machine; tests share theirs.
PATIENCE_SECONDS = 400


@dataclass(frozen=True)
class Command:
    """The folder of an environment's programs."""

    programs: Path

    def path(self, name: str) -> str:
        """Return the path of a program of the environment, or the name of one of the system's."""
        own = self.programs / name
        return str(own) if own.is_file() else name


@dataclass
class Place:
    """A folder to work in, a home, and the processes that were started from it."""

    command: Command
    folder: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Return the variables of a login shell, without what the test run itself was given."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "PREFECT", "SLIPWAY", "MLFLOW", "BENTOML")) and name != "PYTHONPATH"
        }
        path = f"{self.command.programs}{os.pathsep}{os.environ['PATH']}"
        return kept | {"PATH": path, "SLIPWAY_HOME": str(self.home)} | self.variables

    def run(
        self, *words: str | Path, expect: int | None = None, seconds: float = PATIENCE_SECONDS, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end and return what it printed; with ``expect``, fail on another exit code."""
        process = self.start(*words, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        finally:
            end(process)
        if expect is not None:
            assert process.returncode == expect, f"{words} ended with {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *words: str | Path, **options: Any) -> "subprocess.Popen[str]":
        """Start a command in a session of its own, so that all of it can be ended."""
        name, *rest = map(str, words)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [self.command.path(name), *rest],
            cwd=self.folder,
            env=self.environment(),
            text=True,
            start_new_session=True,
            **(pipes | options),
        )
        self.started.append(process)
        return process

    def serve(self, workload: str, *options: str, seconds: float = 120) -> "Served":
        """Start ``slipway serve WORKLOAD --json`` on a free port and return it once it has said where it listens."""
        log = self.folder / f"serve-{len(self.started)}.log"
        with log.open("w") as errors:
            process = self.start("slipway", "serve", workload, "--port", "0", "--json", *options, stderr=errors)
        assert process.stdout
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        text = line
        # One JSON document, on one line or on many.
        while line and not _is_json(text):
            line = process.stdout.readline()
            text += line
        assert text, f"it does not serve: {log.read_text()}"
        said = json.loads(text)
        return Served(process, said["url"], said, log)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Served:
    """A service that answers, what it said when it started, and its log."""

    process: "subprocess.Popen[str]"
    url: str
    said: dict[str, Any]
    log: Path


def end(process: "subprocess.Popen[str]") -> None:
    """Kill a process that was started here with all of its session that is left, and close its pipes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def end_all(place: Place) -> None:
    """End everything that was started from a place, the last first."""
    for process in reversed(place.started):
        end(process)


def processes_of(place: Place) -> dict[int, str]:
    """Return the commands of all living processes that were given the place's home, by their numbers."""
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        # Whoever has ended meanwhile, or waits for its parent to hear of it, runs no more.
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and f"SLIPWAY_HOME={place.home}".encode() in (folder / "environ").read_bytes():
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command:
                    found[int(folder.name)] = command
    return found


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 120, every: float = 0.2) -> Any:
    """Return the first true value of the condition; fail saying what did not happen."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)
    return found


def one_clear_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line that a refused command ended with; fail if it showed a traceback or nothing."""
    text = done.stderr.strip()
    assert done.returncode not in (0, -signal.SIGKILL, -signal.SIGSEGV), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert text, "it ended without a word"
    return text.splitlines()[-1]
