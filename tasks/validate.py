"""Validate: keep the rows that fit the contract, set the others aside with their reasons."""

from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot, Validated
from components.declaration import Workload, contract_of
from components.settings import Home
from tasks.stage import stage, table


def _artifact(validated: Validated) -> str:
    reasons = {f"refused: {reason}": count for reason, count in validated.reasons.items()}
    counts = {"kept": validated.rows, "quarantined": validated.quarantined}
    return table({**counts, **reasons, "file": validated.quarantine})


@stage("validate", settings=["contract"], artifact=_artifact)
def validate(workload: Workload, snapshot: Snapshot, home: Home) -> Validated:
    """Check every row."""
    return validate_snapshot(snapshot, contract_of(workload), home, where=workload.name)
