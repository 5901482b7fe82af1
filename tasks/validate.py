"""Validate: keep the rows that fit the contract, set the others aside with their reasons."""

from datetime import UTC, datetime
from pathlib import Path

from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot, Validated
from components.declaration import Workload, contract_of
from components.run_ledger import current_ledger
from components.settings import Home
from components.storage import digest_file
from data_contracts.expectation_arguments import asks_the_clock, known_files
from tasks.stage import stage, table


def _artifact(validated: Validated) -> str:
    reasons = {f"refused: {reason}": count for reason, count in validated.reasons.items()}
    expected = {
        f"{one.expectation} {one.arguments}": f"{'kept' if one.success else 'broken'}, observed {one.observed}"
        for one in validated.expectations
    }
    counts = {"kept": validated.rows, "quarantined": validated.quarantined}
    return table({**counts, **reasons, "file": validated.quarantine, **expected, "data docs": validated.docs})


def _outside(workload: Workload) -> dict[str, str]:
    """Return what expectations compare the data with that is not data: files of known values, and the clock.

    Whatever has no digest (the clock, a file that is not on this machine) is asked anew in each run.
    """
    expectations = contract_of(workload).expectations
    ledger = current_ledger()
    run = ledger.record.run_id if ledger else datetime.now(UTC).isoformat()
    found = {f"known values in {path}": _digest(Path(path)) or run for path in known_files(expectations)}
    return found | ({"clock that ExpectColumnToBeFresh asks": run} if asks_the_clock(expectations) else {})


def _digest(path: Path) -> str | None:
    return digest_file(path) if path.is_file() else None


@stage("validate", settings=["contract"], fingerprint=_outside, artifact=_artifact)
def validate(workload: Workload, snapshot: Snapshot, home: Home) -> Validated:
    """Check every row and the data set as a whole."""
    return validate_snapshot(snapshot, contract_of(workload), home, where=workload.name)
