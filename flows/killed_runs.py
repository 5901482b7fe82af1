"""Runs whose process or whose worker was killed: what Prefect must know of them, and how they end in order."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING
from uuid import UUID

import psutil

from components.artefacts.errors import HostError
from components.artefacts.lifetime import end_in_order, when_it_ends
from components.artefacts.storage import is_running, this_process
from components.run_ledger import ended_without_a_word, reasons_of_ends
from components.settings import Home

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

# Set by Prefect for the process in which a worker runs a flow.
STARTED_BY_A_WORKER = "PREFECT__FLOW_RUN_ID"
# Of a flow run: the process it is in, as storage.this_process names it.
PROCESS_LABEL = "slipway.process"
# As long as the main thread may take to close the run once its worker is gone.
GRACE_SECONDS = 4.0


def name_process(client: "SyncPrefectClient", run: UUID) -> None:
    """Write down in Prefect which process a flow run is in, so that its end can be told if the process cannot."""
    client.update_flow_run_labels(run, {PROCESS_LABEL: this_process()})


def crash_ended(home: Home, client: "SyncPrefectClient") -> None:
    """Have Prefect know of runs whose process has ended without telling it: they would stay "Running" for ever.

    A process may be killed at any moment: before the run is written down in the home (it may wait there for another
    one), within a stage, or when its end is written down and Prefect has not heard of it yet.
    """
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    at_work = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])
    found = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=at_work)))
    processes = {run.id: str(run.labels[PROCESS_LABEL]) for run in found if PROCESS_LABEL in run.labels}
    ended = {number: process for number, process in processes.items() if not is_running(process)}
    if not ended:
        return
    reasons = reasons_of_ends(home)
    for number, process in ended.items():
        why = reasons.get(process) or ended_without_a_word()
        client.set_flow_run_state(number, Crashed(message=why), force=True)


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
