"""A command's flow, run: Prefect's environment set and its server started first, progress drawn meanwhile."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from components import progress
from components.imports import without_garbage
from components.settings import Home, Settings
from flows import ending, terminal

if TYPE_CHECKING:
    from flows.temporary_server import TemporaryServer


def home() -> Home:
    """Return this installation's home."""
    return Settings().folder()


def run_flow(name: str, as_json: bool, **parameters: Any) -> Any:
    """Import ``flows.<name>.<name>`` after Prefect's environment is set, and run it with progress on the terminal."""
    from components.run_ledger import leave_word

    progress.listen(ending.during)
    ending.before_the_end(leave_word)
    with _drawn(as_json):
        progress.report("starting", 0, 0)
        with without_garbage():
            server, flow, late = _imported(name, parameters.get("workload"))
            if server:
                server.wait(meanwhile=late)
        from flows.orchestrator import lost_orchestrator, no_heartbeats
        from flows.prefect_run import told_parameters

        with lost_orchestrator(), told_parameters(), no_heartbeats() if server else nullcontext():
            return flow(**parameters)


def _imported(
    name: str, workload: str | None
) -> tuple["TemporaryServer | None", Callable[..., Any], Iterator[Callable[[], object]]]:
    """Start a server if none is named, and import the flow while it starts; a workload file is checked on the way.

    Returns the server, the flow, and steps that import what the flow will import later.
    """
    from components.declaration.loading import read_workload

    if workload is not None:
        # Before a server is started for it.
        read_workload(workload)
    from flows.orchestrator import configure_orchestrator

    server = configure_orchestrator(home())
    from flows.late_imports import late_imports
    from flows.opening import checked_workload

    declared = None if workload is None else checked_workload(workload)
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    return server, flow, late_imports(name, declared, home())


@contextmanager
def _drawn(as_json: bool) -> Iterator[None]:
    """Show progress on stderr for the length of the block, unless a machine is reading."""
    if as_json:
        yield
        return
    with terminal.Progress() as drawn:
        progress.listen(drawn.report)
        yield
