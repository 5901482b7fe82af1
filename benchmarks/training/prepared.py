"""The data of a workload as its training finds it. Imports no library that brings threads, which ask how to wait."""

from components.catalog import find_kind
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.results import Prepared
from components.data.sources.snapshots import take_snapshot
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.settings import Settings


def prepared_data(workload: Workload, settings: Settings) -> Prepared:
    """Take the data through the stages before training."""
    home, contract = settings.folder(), contract_of(workload)
    snapshot = take_snapshot(workload.source, contract, home)
    return prepare(
        validate_snapshot(snapshot, contract, home, workload.name),
        workload.split,
        workload.features,
        contract,
        home,
        find_kind("tabular").preparation,
    )
