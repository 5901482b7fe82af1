"""Work that may end the process that does it (files of strangers are unpacked), done in a process of its own.

A module that works so has ``answer(question: bytes) -> bytes``, which is called there: ``ask(module, question)``.
An error of ours is raised here as it was there. What the libraries cannot survive (a segmentation fault, an allocation
beyond what memory is free) is the end of that process alone, and ``Died`` here, which the caller turns into a line.
"""

import contextlib
import importlib
import os
import resource
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from components.artefacts import errors
from components.artefacts.errors import SlipwayError
from components.artefacts.lifetime import bound
from components.artefacts.machine import free_memory_bytes
from components.user_modules import child_environment

# What the process ends with if it answers with an error.
REFUSED, DEFECT = 3, 4


class Died(Exception):
    """The process ended without an answer; the text says by what, ``hint`` the little that may be known of why."""

    def __init__(self, status: int) -> None:
        number = -status if status < 0 else 0
        name = signal.Signals(number).name if number in set(signal.Signals) else f"exit code {status}"
        why: dict[int, str] = {
            signal.SIGKILL: "it was killed from outside, most likely for want of memory",
            signal.SIGABRT: "a library gave up, most likely for want of memory",
        }
        self.hint = why.get(number, "")
        super().__init__(name)


class _Refused(msgspec.Struct, frozen=True):
    """An error of ours, by the name of its class."""

    error: str
    message: str


def ask(module: str, question: bytes) -> bytes:
    """Return what ``answer`` of a module makes of a question, in a process of its own; raises its errors, or Died.

    The process ends with this one, and whatever interrupts the waiting.
    """
    process = subprocess.Popen(
        bound([sys.executable, "-P", "-m", "components.apart", module]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    )
    try:
        answered, said = process.communicate(question)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode == 0:
        return answered
    if process.returncode == REFUSED:
        refused = msgspec.json.decode(answered, type=_Refused)
        raise getattr(errors, refused.error)(refused.message)
    if process.returncode == DEFECT:
        raise RuntimeError(f"in the process of {module}:\n{said.decode(errors='replace')}")
    raise Died(process.returncode)


def main() -> NoReturn:
    """Read a question from the standard input, write the answer to the standard output."""
    # Ctrl-C goes to everybody in front of a terminal: whoever asked ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bound_memory()
    answers = os.dup(1)
    # What libraries print on the way is not the answer.
    os.dup2(2, 1)
    try:
        code, answered = 0, importlib.import_module(sys.argv[1]).answer(sys.stdin.buffer.read())
    except SlipwayError as error:
        # By the class that is known to whoever asked.
        name = next(kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
        code, answered = REFUSED, msgspec.json.encode(_Refused(name, str(error)))
    except BaseException:
        traceback.print_exc()
        code, answered = DEFECT, b""
    with open(answers, "wb") as out:
        out.write(answered)
    sys.stderr.flush()
    # Nothing is tidied up that a damaged library would have to take part in.
    os._exit(code)


def _bound_memory() -> None:
    """Have allocations fail that no memory is free for; should it run out all the same, this process ends first."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        # Anonymous memory: files that are mapped may be larger.
        resource.setrlimit(resource.RLIMIT_DATA, (free_memory_bytes(), resource.RLIM_INFINITY))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
