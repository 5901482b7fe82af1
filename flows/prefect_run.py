"""How a flow run stands in Prefect: named and tagged after its workload, its results in the home, whoever starts it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import ParameterTypeError
from prefect.logging import get_run_logger

from components import progress
from components.artefacts.errors import HostError, SlipwayError
from components.settings import Home, Settings
from flows.killed_runs import STARTED_BY_A_WORKER, crash_ended, name_process
from tasks.kept_results import KeptResults


def check_home_lasts(settings: Settings) -> None:
    """Raise HostError if a worker runs this flow and the home is relative: its folder is deleted after the run."""
    if STARTED_BY_A_WORKER in os.environ and not settings.home.expanduser().is_absolute():
        raise HostError(
            f"SLIPWAY_HOME is '{settings.home}', which is relative, and a worker may run a flow in a folder that is "
            f"deleted afterwards (this one: {Path.cwd()}). Deploy with the steps of prefect.yaml, which give runs the "
            "absolute home, or set SLIPWAY_HOME to an absolute path for the worker"
        )


@contextmanager
def known_to_prefect(home: Home, workload: str) -> Iterator[None]:
    """Name and tag the current flow run after the workload; keep results in the home.

    Prefect is told first of runs that have ended without telling it.

    Prefect keeps results in a folder of whoever runs the flow otherwise, and a worker would not find what the command
    line has made, nor the other way round. Tasks have the workload in their name and no tag: before a task with tags
    starts, Prefect asks its server for limits of each, and on SQLite that often fails and is asked again 2 s later.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    run = context.flow_run
    # Prefect makes up a name of two words; a run that is tried again has its own already.
    name = run.name if run.name.startswith(f"{workload} ") else f"{workload} {run.name}"
    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, name=name, tags=sorted({*run.tags, workload}))
        name_process(client, run.id)
        crash_ended(home, client)
    store = context.result_store.model_copy(update={"result_storage": KeptResults.of(home)})
    with context.model_copy(update={"result_store": store}):
        yield


@contextmanager
def told_parameters() -> Iterator[None]:
    """Say in one line which parameter of a flow is out of its bounds."""
    try:
        yield
    except ParameterTypeError as error:
        raise SlipwayError(" ".join(str(error).split())) from error


def say(line: str) -> None:
    """Tell whoever watches: the log of the flow run in the Prefect UI, and the terminal."""
    progress.report(line, 0, 0)
    if FlowRunContext.get():
        get_run_logger().info(line)
