"""A process that ends when the one that started it does, however that one ends, also by SIGKILL.

A module that is run as a process calls ``end_with``; another program is started through this one:
``python -m components.parent_process PID PROGRAM ARGUMENT...``. Only the standard library is imported.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """Have this process killed as soon as its parent is gone; call it first thing in the child.

    Elsewhere than on Linux a thread looks every half second, which an ``exec`` ends.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        when_gone(parent, lambda: os.kill(os.getpid(), signal.SIGKILL))
    # It may have gone before anybody looked.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def when_gone(parent: int, do: Callable[[], None]) -> None:
    """Call ``do`` once, in a thread, when the parent of this process is gone."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        do()

    threading.Thread(target=look, daemon=True, name="parent-watch").start()


def bound(command: Sequence[str]) -> list[str]:
    """Return a command that runs another one, which ends with the process that asks."""
    return [sys.executable, "-m", "components.parent_process", str(os.getpid()), *command]


def main() -> None:
    """Become the program."""
    parent, *command = sys.argv[1:]
    end_with(int(parent))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
