"""One build or promotion of a workload at a time, whoever starts it: the command line, a worker, another machine.

A lease of the store: it ends with the process that holds it, also with a killed one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from components.settings import Home

_held: ContextVar[tuple[tuple[Home, str], ...]] = ContextVar("slipway_workload_locks", default=())


@contextmanager
def only_run_of(home: Home, workload: str, flow: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the workload for the length of the block; whoever must wait for it says so once, in one line.

    A run inside of another one that holds the workload, as a build inside of ``end-to-end``, goes on at once.
    """
    if (home, workload) in _held.get():
        yield
        return
    where = home.address or home.root
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = f"{flow} of the same workload is at work since {now} (process {os.getpid()})"

    def told(other: str) -> None:
        waiting(f"waits: {other}; only one run at a time builds or promotes {workload} in {where}")

    with home.store.lease("runs", workload, holder, waiting=told):
        token = _held.set((*_held.get(), (home, workload)))
        try:
            yield
        finally:
            _held.reset(token)
