"""Validate: keep the rows that fit the contract, set the others aside with their reasons."""

from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot, Validated
from components.declaration import Workload, contract_of
from components.settings import Home
from tasks.stage import stage, table


def _artifact(validated: Validated) -> str:
    reasons = {f"refused: {reason}": count for reason, count in validated.reasons.items()}
    expected = {
        f"{one.expectation} {one.arguments}": f"{'kept' if one.success else 'broken'}, observed {one.observed}"
        for one in validated.expectations
    }
    counts = {"kept": validated.rows, "quarantined": validated.quarantined}
    return table({**counts, **reasons, "file": validated.quarantine, **expected, "data docs": validated.docs})


@stage("validate", settings=["contract"], artifact=_artifact)
def validate(workload: Workload, snapshot: Snapshot, home: Home) -> Validated:
    """Check every row and the data set as a whole."""
    return validate_snapshot(snapshot, contract_of(workload), home, where=workload.name)
