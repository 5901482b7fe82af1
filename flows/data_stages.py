"""From a snapshot to prepared data, as every flow that needs it goes."""

from components.data.expectations import end_judging
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.declaration.workload import Workload
from components.settings import Home
from tasks.expect import expect
from tasks.prepare import prepare
from tasks.validate import validate


def checked_and_prepared(workload: Workload, snapshot: Snapshot, home: Home) -> tuple[Validated, Expected, Prepared]:
    """Validate a snapshot and prepare it, and have it judged as a whole before anything is learnt from it."""
    try:
        validated = validate(workload, snapshot, home)
        # Expectations last: a process that validation has begun judges while the rows are prepared.
        prepared = prepare(workload, validated, home)
        return validated, expect(workload, validated, home), prepared
    finally:
        end_judging()
