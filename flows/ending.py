"""How a command ends that is told to (Ctrl-C, SIGTERM, SIGHUP): within five seconds, with one line, leaving no process.

The first signal is an exception in the main thread, which unwinds as any other: the run's record and Prefect's are
closed. A second Ctrl-C, or three and a half seconds that pass, end the process and all that it started at once. A
thread of its own reads the signals, so that code which looks at none is ended too.
"""

import contextlib
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 3.5
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if getattr(signal, name, None) is not None
)
KEPT = "what was finished is kept: the same command goes on from there"


class Stopped(KeyboardInterrupt):
    """The command was told to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(_cause(number))


_received: list[int] = []
_last_words: list[Callable[[str], None]] = []
_doing: list[str] = []
# Who takes it says the last line. The second signal may come when the first one has been answered and Python ends.
_to_be_said = threading.Lock()


def listen(*, watch: bool = True) -> None:
    """Take the signals from now on; with ``watch`` the end comes within the grace, whatever the main thread does.

    A signal that is ignored stays so (``nohup``).
    """
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _handle)
    if watch and not _watching.is_set():
        _watching.set()
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        sys.unraisablehook = _once_more(sys.unraisablehook)
        threading.Thread(target=_watch, args=(reading, writing), daemon=True, name="signals").start()


_watching = threading.Event()


def during(what: str, done: int = 0, total: int = 0) -> None:
    """Take note of what is being done, as a listener of components.progress."""
    _doing[:] = [what]


def before_the_end(word: Callable[[str], None]) -> None:
    """Have ``word(reason)`` called before this process is ended at once."""
    _last_words.append(word)


def exit_code() -> int | None:
    """Return the exit code of a command that was told to end, as shells count it; None if it was not."""
    return 128 + _received[0] if _received else None


def told() -> str:
    """Return the line that says what happened and what is kept."""
    where = f" in {_doing[0]}" if _doing else ""
    return f"{_cause(_received[0] if _received else signal.SIGINT)}{where}; {KEPT}"


def end() -> NoReturn:
    """Say what happened and what is kept, and exit."""
    if _to_be_said.acquire(blocking=False):
        sys.stderr.write(f"slipway: {told()}\n")
        sys.stderr.flush()
    sys.exit(exit_code() or 128 + signal.SIGINT)


def _cause(number: int) -> str:
    return "stopped by Ctrl-C" if number == signal.SIGINT else f"told to end ({signal.Signals(number).name})"


def _handle(number: int, _: FrameType | None) -> None:
    # The thread may have been first.
    if number not in _received:
        _received.append(number)
    # The last line has been said, and Python ends: the thread ends it at once.
    if _to_be_said.locked() and _watching.is_set():
        return
    raise Stopped(number)


# Signals that we send ourselves: nobody has pressed a key again.
_again: list[int] = []


def _once_more(before: Callable[["sys.UnraisableHookArgs"], object]) -> Callable[["sys.UnraisableHookArgs"], object]:
    """Return a hook that sends a signal again which came where Python lets no exception out, as in its import lock."""

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, Stopped):
            before(unraisable)
            return
        number = _received[0]
        _again.append(number)
        sending = threading.Timer(0.02, os.kill, (os.getpid(), number))
        sending.daemon = True
        sending.start()

    return hook


def _watch(reading: socket.socket, writing: socket.socket) -> None:
    """Read the numbers of the signals as they come; ``writing`` is held so that it stays open."""
    interrupts = 0
    while True:
        for number in reading.recv(64):
            if number in _again:
                _again.remove(number)
                continue
            if number not in SIGNALS:
                continue
            if not _received:
                _received.append(number)
            interrupts += number == signal.SIGINT
            if interrupts > 1:
                end_now()
            timer = threading.Timer(GRACE_SECONDS, end_now)
            timer.daemon = True
            timer.start()
            # Now, so that it need not be loaded when the time is up.
            importlib.import_module("psutil")


def end_now() -> NoReturn:
    """End this process and all that it started, at once."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
    for word in _last_words:
        with contextlib.suppress(OSError):
            word(_cause(_received[0] if _received else signal.SIGINT))
    # A spinner hides the cursor.
    shown = "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""
    if _to_be_said.acquire(blocking=False):
        shown += f"slipway: {told()}\n"
    with contextlib.suppress(OSError):
        os.write(2, shown.encode())
    os._exit(exit_code() or 1)
