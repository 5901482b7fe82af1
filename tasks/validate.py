"""Validate: keep the rows that fit the contract, set the others aside with their reasons."""

from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot, Validated
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from tasks.pages import text
from tasks.stage import stage


def _artifact(validated: Validated) -> str:
    aside = f"{validated.quarantined:,} rows set aside in quarantine" if validated.quarantined else "every row fits"
    lines = [f"- {text(reason)}: {count:,}" for reason, count in validated.reasons.items()]
    lines += (
        [f"- the rows and their reasons: {text(validated.stored_quarantine)}"] if validated.stored_quarantine else []
    )
    return "\n".join([f"## ✓ {validated.rows:,} rows kept; {aside}", "", *lines])


@stage("validate", artifact=_artifact)
def validate(snapshot: Snapshot, contract: ContractSpec, name: str, home: Home) -> Validated:
    """Check every row; ``name`` is the workload's, for messages."""
    return validate_snapshot(snapshot, contract, home, where=name)
