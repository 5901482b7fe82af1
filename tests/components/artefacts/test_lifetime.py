"""Processes end with the one that started them, also if it is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from components.artefacts.lifetime import when_it_ends
from tests.deployments.processes import wait_until

CHILDREN = {
    "signal": "end_with_parent(os.getppid())",
    "late signal": "time.sleep(1); end_with_parent(int(sys.argv[1]))",
    "watch": "when_it_ends(os.getppid(), lambda: os._exit(3))",
    "late watch": "time.sleep(1); when_it_ends(int(sys.argv[1]), lambda: os._exit(3))",
}

SAY = "print('watching', flush=True)"


@pytest.fixture
def parent_of(tmp_path: Path) -> Callable[[str], tuple["subprocess.Popen[str]", int]]:
    """Start a parent with one child and return it, and the child's number."""

    def start(how: str) -> tuple["subprocess.Popen[str]", int]:
        child = (
            f"import os, sys, time; from components.artefacts.lifetime import *; {CHILDREN[how]}; {SAY}; time.sleep(60)"
        )
        program = textwrap.dedent(f"""
            import os, subprocess, sys, time
            child = subprocess.Popen([sys.executable, "-c", {child!r}, str(os.getpid())])
            print(child.pid, flush=True)
            time.sleep(60)
        """)
        parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert parent.stdout
        number = int(parent.stdout.readline())
        # A child that comes late is told whose end it is about; the others ask, and must have asked.
        assert how.startswith("late") or parent.stdout.readline() == "watching\n"
        return parent, number

    return start


def _lives(process: int) -> bool:
    """Whether a process has not ended; whoever has it now may not have asked."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("how", list(CHILDREN))
def test_a_child_ends_with_a_parent_that_is_killed(
    parent_of: Callable[[str], tuple["subprocess.Popen[str]", int]], how: str
) -> None:
    parent, child = parent_of(how)
    assert _lives(child)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not _lives(child))


def test_the_end_of_a_process_that_has_ended_is_seen_at_once() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    seen = threading.Event()
    when_it_ends(ended.pid, seen.set)
    assert seen.wait(10)


def test_where_processes_are_no_files_they_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = threading.Event()
    when_it_ends(process.pid, seen.set)
    assert not seen.wait(0.1)
    process.communicate(b"\n")
    assert seen.wait(10)
