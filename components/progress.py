"""How far long work has come, told to whoever listens: the command line draws it, a test or a server ignores it."""

from collections.abc import Callable

# What is being done, how much of it is done, and how much there is in all.
Progress = Callable[[str, int, int], None]

_listeners: list[Progress] = []


def listen(listener: Progress) -> None:
    """Send every later report to ``listener(what, done, total)``; total is 0 if it is not known."""
    _listeners.append(listener)


def report(what: str, done: int, total: int) -> None:
    """Say that ``done`` of ``total`` steps of something are done."""
    for listener in _listeners:
        listener(what, done, total)
