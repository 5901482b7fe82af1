"""Processes that end with the one that started them, also when that one is killed and can say nothing.

Two ways. ``end_with_parent``: the system sends a signal; it needs no cooperation, works for any program that is
executed afterwards, and costs nothing, but on Linux alone, and it counts the end of the *thread* that started the
process. ``when_it_ends``: a thread waits for the end of a process and calls something, which can end in good order.
A program that is not ours is started through this module, by the first way: ``bound``.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

# prctl(2)
_SET_PARENT_DEATH_SIGNAL = 1
_LOOK_SECONDS = 0.5


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have this process get a signal once the thread that started it has ended; at once if ``parent`` is gone already.

    Without effect where the system has no such signal.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        # Some sandboxes forbid it.
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(number), 0, 0, 0)
    # It may have ended before it was asked to tell: then somebody else has taken this process over.
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def bound(command: Sequence[str]) -> list[str]:
    """Return a command that runs another one, which is killed when the thread that starts it ends."""
    return [sys.executable, "-P", "-m", "components.artefacts.lifetime", str(os.getpid()), *command]


def when_it_ends(process: int, act: Callable[[], object]) -> threading.Thread:
    """Call ``act`` in a thread once a process (a parent, an owner) has ended; at once if it has already."""
    thread = threading.Thread(target=_wait, args=(process, act), name=f"end-of-{process}", daemon=True)
    thread.start()
    return thread


def end_in_order(seconds: float, code: int, number: int = signal.SIGTERM) -> NoReturn:
    """Send this process a signal, which it ends by in good order; end it with ``code`` if that takes longer."""
    os.kill(os.getpid(), number)
    time.sleep(seconds)
    os._exit(code)


def _wait(process: int, act: Callable[[], object]) -> None:
    try:
        file = os.pidfd_open(process)
    except ProcessLookupError:
        act()
        return
    except (AttributeError, OSError):
        # No such files on this system: looked at now and then.
        while _lives(process):
            time.sleep(_LOOK_SECONDS)
        act()
        return
    try:
        select.select([file], [], [])
    finally:
        os.close(file)
    act()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody else's.
        pass
    return True


def main() -> None:
    """Become the program that is named after the number of the parent."""
    parent, *command = sys.argv[1:]
    end_with_parent(int(parent))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
