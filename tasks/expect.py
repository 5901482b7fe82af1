"""Expect: judge the kept rows as a whole."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.artefacts.storage import digest_file
from components.data.expectations import judge_expectations
from components.data.results import Expected, Validated
from components.run_ledger import current_ledger
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from data_contracts.language.expectation_arguments import asks_the_clock, known_files
from tasks.pages import text
from tasks.stage import stage


def _artifact(expected: Expected) -> str:
    kept = sum(one.success for one in expected.expectations)
    state = "✓ All kept" if kept == len(expected.expectations) else "✗ Broken"
    lines = [
        f"- {'✓' if one.success else '✗'} **{text(one.expectation)}** ({text(one.arguments)}): observed "
        f"{text(one.observed)}"
        for one in expected.expectations
    ]
    docs = [f"Data docs: {text(expected.stored_docs)}"] if expected.stored_docs else []
    return "\n".join([f"## {state}: {kept} of {len(expected.expectations)} expectations", "", *lines, "", *docs])


def _outside(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what expectations compare the data with that is not data: files of known values, and the clock.

    Whatever has no digest (the clock, a file that is not on this machine) is asked anew in each run.
    """
    contract: ContractSpec = given["contract"]
    expectations = contract.expectations
    ledger = current_ledger()
    run = ledger.record.run_id if ledger else datetime.now(UTC).isoformat()
    found = {f"known values in {path}": _digest(Path(path)) or run for path in known_files(expectations)}
    return found | ({"clock that ExpectColumnToBeFresh asks": run} if asks_the_clock(expectations) else {})


def _digest(path: Path) -> str | None:
    return digest_file(path) if path.is_file() else None


@stage("expect", outside=_outside, artifact=_artifact)
def expect(validated: Validated, contract: ContractSpec, name: str, home: Home) -> Expected:
    """Judge what the contract expects of the data set; ``name`` is the workload's, whose page it becomes."""
    return judge_expectations(validated, contract, home, where=name)
