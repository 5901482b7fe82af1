"""What the Prefect UI shows: the state first, one reason a line, nothing clipped, no mark taken from a value."""

from datetime import datetime
from pathlib import Path

import pytest

from components.gates.judge import GateReport, Verdict
from components.result import Result
from tasks.pages import fields_of, link, table, text, verdicts

LONG = "The calibration error is 0.031, which is surely above the limit of 0.02 | " + "and so on " * 60


def verdict(gate: str, state: str, reason: str, would_pass: str = "") -> Verdict:
    bounds = {"value": 1.0, "low": None, "high": None, "threshold": 1.0, "margin": 0.0, "n": 5}
    return Verdict.model_validate(
        {"gate": gate, "state": state, "reason": reason, "would_pass": would_pass, "figures": "f", **bounds}
    )


def test_a_refused_build_begins_with_its_state_and_the_gates_that_did_not_pass() -> None:
    report = GateReport(
        verdicts=(
            verdict("goal", "passed", "AUC 0.7, needs at least 0.5"),
            verdict("slices", "undecided", "too few rows"),
            verdict("calibration", "failed", LONG, would_pass="an error of at most 0.02"),
        ),
        passed=False,
        goal="Tell which orders come back.",
        warnings=("finds 4 % of them",),
    )
    page = verdicts(report)
    lines = [line for line in page.splitlines() if line]
    assert lines[0] == "## ✗ Refused: of 3 gates 1 failed, 1 undecided, 1 passed"
    assert lines[1:4] == ["> Tell which orders come back.", "**Warning**: finds 4 % of them", "### What did not pass"]
    assert lines[4] == f"- ✗ **calibration** failed: {text(LONG)}"
    assert lines[5] == "    - would pass: an error of at most 0.02"
    assert page.index("**slices** undecided") < page.index("### What passed") < page.index("**goal** passed")
    assert verdicts(report.model_copy(update={"passed": True})).startswith("## ✓ Passed: of 3 gates")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (None, "none"),
        (1234567, "1,234,567"),
        (0.1 + 0.2, "0.3"),
        ({"amount": 3, "<b>": 1}, "amount: 3; &lt;b&gt;: 1"),
        (("a|b", "c"), "a\\|b, c"),
        ([], "none"),
        (range(30), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, and 10 more"),
        ("[/x]\n*two* lines", "\\[/x\\] \\*two\\* lines"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02 03:04:00"),
        (Path("/home/of us/rows.parquet"), "[rows.parquet](<file:///home/of%20us/rows.parquet>) in `/home/of us`"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, shown: str) -> None:
    assert text(value) == shown


def test_a_field_that_holds_several_things_has_a_row_for_each() -> None:
    class Found(Result):
        digest: str
        bad_rows: dict[str, int]
        nothing: dict[str, int] | None = None

    shown = fields_of(Found(digest="d", bad_rows={"amount": 3, "city": 1}))
    assert shown.splitlines()[2:] == [
        "| digest | d |",
        "| bad rows, amount | 3 |",
        "| bad rows, city | 1 |",
        "| nothing | none |",
    ]
    assert table({"a": "b\nc"}).count("\n") == 2


def test_a_page_of_a_server_is_a_link_and_so_is_a_file() -> None:
    assert link("card.md", "http://127.0.0.1:5000/#/x") == "[card.md](<http://127.0.0.1:5000/#/x>)"
    assert link("card.md", "/home/files/card.md") == "[card.md](<file:///home/files/card.md>) in `/home/files`"
