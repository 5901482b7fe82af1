"""One build or promotion of a workload at a time, whoever starts it: the command line, a worker, two deployments.

A lock of the operating system on a file in the home: it ends with the process that holds it, also with a killed one.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from components.artefacts.storage import take_lock
from components.settings import Home

# How often a waiting run looks again.
LOOK_SECONDS = 0.5

_held: ContextVar[tuple[Path, ...]] = ContextVar("slipway_workload_locks", default=())


class Holder(msgspec.Struct, frozen=True):
    """Who has the workload: written into the lock for those who wait."""

    flow: str
    process: int
    since: str


@contextmanager
def only_run_of(home: Home, workload: str, flow: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the workload for the length of the block; whoever must wait for it says so once, in one line.

    A run inside of another one that holds the workload, as a build inside of ``end-to-end``, goes on at once.
    """
    path = home.room("runs", f"{workload}.lock")
    if path in _held.get():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if not take_lock(file):
            waiting(f"waits: {_holder(path)}; only one run at a time builds or promotes {workload} in {home.root}")
            while not take_lock(file):
                time.sleep(LOOK_SECONDS)
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(msgspec.json.encode(Holder(flow, os.getpid(), now)))
        file.flush()
        token = _held.set((*_held.get(), path))
        try:
            yield
        finally:
            _held.reset(token)


def _holder(path: Path) -> str:
    """Return who has the lock in words; it may be about to write its name, or to go."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return "another run has just begun"
    return f"{found.flow} of the same workload is at work since {found.since} (process {found.process})"
