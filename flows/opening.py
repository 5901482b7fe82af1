"""What every flow begins with: a workload that was checked, the home, the settings, and a ledger of the run."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from components.catalog import Kind, check_kind, find_kind, kind_options, with_features
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.gates.own import own_gates
from components.monitoring.drift_tests import check_declared
from components.run_ledger import Ledger, recorded_run
from components.settings import Home, Settings
from components.user_modules import find_user_modules
from components.workload_lock import only_run_of
from data_contracts.description.spec import ContractSpec
from flows.killed_runs import end_with_worker, said_of_worker, started_by_worker
from flows.run_log import keep_errors_on_one_line


@dataclass(frozen=True)
class Opened:
    """What a flow's tasks need."""

    workload: Workload
    contract: ContractSpec
    kind: Kind
    home: Home
    settings: Settings
    ledger: Ledger


def checked_workload(workload: str) -> Workload:
    """Read a workload file and check all of it that can be checked before anything runs."""
    declared = read_workload(workload)
    kind_options(declared)
    contract = contract_of(declared)
    declared = with_features(declared, contract)
    check_kind(declared, contract)
    check_declared(declared.monitoring, contract)
    own_gates(declared.gates.own)
    return declared


@contextmanager
def opened(workload: str, flow: str, *, alone: bool = False) -> Iterator[Opened]:
    """Check the workload file, then record what happens in the block.

    ``alone``: wait until no other run builds or promotes the workload in this home.
    """
    # Prefect is imported after its environment is set, and the command line checks a workload before that.
    from flows.prefect_run import check_home_lasts, known_to_prefect, say

    # A worker of Prefect's does not come by way of the command line.
    keep_errors_on_one_line()
    find_user_modules(Path.cwd())
    settings = Settings()
    check_home_lasts(settings)
    declared = checked_workload(workload)
    home = settings.folder()
    with (
        said_of_worker(),
        known_to_prefect(home, declared.name),
        only_run_of(home, declared.name, flow, say) if alone else nullcontext(),
        recorded_run(home, declared.name, flow) as ledger,
    ):
        if started_by_worker():
            end_with_worker()
        yield Opened(declared, contract_of(declared), find_kind(declared.kind), home, settings, ledger)
