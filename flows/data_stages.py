"""From a snapshot to prepared data, as every flow that needs it goes."""

from components.catalog import Kind
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.declaration.workload import Workload
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from tasks.expect import expect
from tasks.prepare import prepare
from tasks.validate import validate


def checked_and_prepared(
    workload: Workload, contract: ContractSpec, kind: Kind, snapshot: Snapshot, home: Home
) -> tuple[Validated, Expected, Prepared]:
    """Validate a snapshot and prepare it, and have it judged as a whole before anything is learnt from it."""
    validated = validate(snapshot, contract, workload.name, home)
    prepared = prepare(validated, workload.split, workload.features, contract, kind.preparation, home)
    return validated, expect(validated, contract, workload.name, home), prepared
