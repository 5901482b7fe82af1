"""What is done in a process of its own comes back as it was there, whatever becomes of the process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.apart import Died, ask
from components.artefacts.errors import SourceError
from components.artefacts.machine import free_memory_bytes, memory_bytes
from components.user_modules import child_environment

MODULE = "tests.components.dying"


def test_an_answer_is_not_mixed_with_what_is_printed() -> None:
    assert ask(MODULE, b"ab") == b"abab"


def test_an_error_of_ours_comes_back_as_the_class_that_is_known() -> None:
    with pytest.raises(SourceError, match="the file is no good"):
        ask(MODULE, b"refuse")


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a defect"):
        ask(MODULE, b"fail")


def test_more_memory_than_is_free_is_refused_and_not_taken() -> None:
    with pytest.raises(RuntimeError, match="MemoryError"):
        ask(MODULE, b"much")


@pytest.mark.parametrize(("how", "told"), [(b"die", "SIGSEGV"), (b"exit", "exit code 7")])
def test_a_death_is_told(how: bytes, told: str) -> None:
    with pytest.raises(Died, match=told):
        ask(MODULE, how)


def test_the_process_ends_with_whoever_asked(tmp_path: Path) -> None:
    (tmp_path / "sleeping.py").write_text(
        "import os, pathlib, time\n"
        "def answer(question):\n"
        "    pathlib.Path(question.decode()).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    told = tmp_path / "process"
    asking = subprocess.Popen(
        [sys.executable, "-c", f"from components.apart import ask; ask('sleeping', {str(told).encode()!r})"],
        env=child_environment() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    end = time.monotonic() + 60
    while not (told.is_file() and told.read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    while Path(f"/proc/{told.read_text()}").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_free_memory_is_what_the_control_group_leaves(tmp_path: Path) -> None:
    assert 0 < free_memory_bytes() <= memory_bytes()
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert free_memory_bytes(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory_bytes(tmp_path) > 600
