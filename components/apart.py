"""Work that may end the process that does it (files of strangers are unpacked), done in a process of its own.

``call`` returns what a function returns there, and raises what it raises. What the libraries cannot survive (a
segmentation fault, an allocation beyond what memory is free) is the end of that process alone, and ``Died`` here.
"""

import contextlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

from components.artefacts.errors import SlipwayError
from components.artefacts.lifetime import bound
from components.artefacts.machine import free_memory_bytes
from components.user_modules import child_environment

Given = ParamSpec("Given")
Made = TypeVar("Made")

# Why a process may have ended, as little as is known of it.
WHY = {
    signal.SIGKILL: "it was killed from outside, most likely for want of memory",
    signal.SIGABRT: "a library gave up, most likely for want of memory",
}


class Died(Exception):
    """The process ended without an answer; the text says by what, ``hint`` the little that may be known of why."""

    def __init__(self, status: int) -> None:
        number = -status if status < 0 else 0
        self.hint = WHY.get(signal.Signals(number), "") if number in set(signal.Signals) else ""
        super().__init__(signal.Signals(number).name if number in set(signal.Signals) else f"exit code {status}")


def call(function: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
    """Call a function of a module in a process of its own, which ends with this one; raises its errors, or Died."""
    process = subprocess.Popen(
        bound([sys.executable, "-P", "-m", "components.apart"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Of what libraries print on the way nothing is an answer.
        stderr=subprocess.DEVNULL,
        env=child_environment(),
    )
    try:
        answered, _ = process.communicate(pickle.dumps((function, args, kwargs)))
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise Died(process.returncode)
    made, error = pickle.loads(answered)
    if error is not None:
        raise error
    return made  # type: ignore[no-any-return]


def main() -> NoReturn:
    """Read from the standard input what to call, and write what came of it to the standard output."""
    # Ctrl-C goes to everybody in front of a terminal: whoever asked ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bound_memory()
    answers = os.dup(1)
    os.dup2(2, 1)
    made: object = None
    error: Exception | None = None
    try:
        function, args, kwargs = pickle.load(sys.stdin.buffer)
        made = function(*args, **kwargs)
    except SlipwayError as refused:
        error = refused
    except BaseException:
        error = RuntimeError(f"in a process of its own:\n{traceback.format_exc()}")
    with open(answers, "wb") as out:
        pickle.dump((made, error), out)
    # Nothing is tidied up that a damaged library would have to take part in.
    os._exit(0)


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
