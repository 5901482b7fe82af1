"""Runs whose process or whose worker was killed: what Prefect must know of them, and how they end in order."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from uuid import UUID

import psutil

from components.errors import HostError
from components.lifetime import end_in_order, when_it_ends
from components.run_ledger import Ledger, RunRecord

# Set by Prefect for the process in which a worker runs a flow.
STARTED_BY_A_WORKER = "PREFECT__FLOW_RUN_ID"
# As long as the main thread may take to close the run once its worker is gone.
GRACE_SECONDS = 4.0


def note_run(ledger: Ledger) -> None:
    """Write down which flow run of Prefect's this code belongs to, so that its end can be told if we cannot."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context and context.flow_run and str(context.flow_run.id) not in ledger.record.flow_runs:
        ledger.record.flow_runs.append(str(context.flow_run.id))
        ledger.save()


def crash_killed(killed: Iterable[RunRecord]) -> None:
    """Have Prefect know of runs whose process was killed: they would stay "Running" for ever."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    for record in killed:
        with get_client(sync_client=True) as client:
            for number in record.flow_runs:
                try:
                    state = client.read_flow_run(UUID(number)).state
                except ObjectNotFound:
                    # It was known to another server.
                    continue
                if state and not state.is_final():
                    client.set_flow_run_state(UUID(number), Crashed(message=record.error), force=True)


def started_by_worker() -> bool:
    """Return whether a worker of Prefect's started this process for one run."""
    return STARTED_BY_A_WORKER in os.environ and not _watching.is_set()


_watching = threading.Event()


def end_with_worker() -> None:
    """End the run when its worker is gone, saying so: nobody would stop it, and nobody takes its result.

    The main thread has the time to close the run; if it does not look, the process is ended.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    _watching.set()
    _owners.extend(_owners_now())

    def end(_: int, __: FrameType | None) -> None:
        raise _gone()

    signal.signal(signal.SIGUSR1, end)
    for owner in _owners:
        when_it_ends(owner.pid, partial(end_in_order, GRACE_SECONDS, HostError.exit_code, signal.SIGUSR1))


@contextmanager
def said_of_worker() -> Iterator[None]:
    """Say that the worker is gone where a run ends for that: Prefect's own processes end each other by signals."""
    try:
        yield
    except BaseException as error:
        if any(not owner.is_running() or owner.status() == psutil.STATUS_ZOMBIE for owner in _owners):
            raise _gone() from error
        raise


# The process that runs a flow is a child of the worker, or of a supervisor that the worker has started for it.
_owners: list[psutil.Process] = []


def _owners_now() -> list[psutil.Process]:
    parents: list[psutil.Process] = psutil.Process().parents()
    supervised = parents and "_workspace_supervisor" in " ".join(parents[0].cmdline())
    return parents[: 2 if supervised else 1]


def _gone() -> HostError:
    return HostError(
        f"the worker that started this run (process {_owners[-1].pid}) is gone, so the run was ended; what was "
        "finished is kept: the next run goes on from there"
    )
