"""From a snapshot to prepared data, as every flow that needs it goes."""

from components.data.results import Expected, Prepared, Snapshot, Validated
from components.declaration import Workload
from components.settings import Home
from tasks.expect import expect
from tasks.prepare import prepare
from tasks.validate import validate


def checked_and_prepared(workload: Workload, snapshot: Snapshot, home: Home) -> tuple[Validated, Expected, Prepared]:
    """Validate a snapshot and prepare it, while it is judged as a whole.

    Great Expectations takes seconds of one core to be loaded, whatever it judges; splits need it as little as it them.
    """
    validated = validate(workload, snapshot, home)
    expected = expect.submit(workload, validated, home)
    prepared = prepare(workload, validated, home)
    return validated, expected.result(), prepared
