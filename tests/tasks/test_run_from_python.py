"""What ``import slipway`` gives back of a run, for a person and for a program."""

import polars as pl
import pytest

import slipway
from flows.build_model import BuildOutcome
from tests.tasks.staging import Staged


@pytest.fixture
def made(staged: Staged) -> slipway.Run:
    outcome = BuildOutcome(**dict(staged.inputs), packaged=staged.packaged, registered=staged.registered)
    return slipway.Run("a<b>", outcome)


def test_a_run_is_shown_as_the_command_prints_it_and_names_of_users_are_text(made: slipway.Run, staged: Staged) -> None:
    shown, page = repr(made), made._repr_html_()
    assert made.build_id in shown.splitlines()[0]
    assert made.build_id in page
    assert str(made.dossier) in page
    assert made.dossier.is_file()
    # How the workload was given stands in the commands that are suggested.
    assert "a&lt;b&gt;" in page
    assert "a<b>" not in page
    for verdict in staged.gates.refused:
        assert f"{verdict.state} {verdict.gate}" in shown


def test_gates_and_metrics_are_frames(made: slipway.Run, staged: Staged) -> None:
    assert made.passed == staged.gates.passed
    assert made.gates["gate"].to_list() == [verdict.gate for verdict in staged.gates.verdicts]
    whole = made.metrics.filter(pl.col("slice").is_null(), pl.col("name") == "auc").row(0, named=True)
    assert whole["low"] < whole["value"] < whole["high"]
    assert whole["n"] == made.evidence.find("auc").n


def test_a_notebook_shows_a_refusal_as_its_message() -> None:
    with pytest.raises(slipway.SlipwayError) as refused:
        slipway.build("no such workload")
    assert refused.value._render_traceback_() == [f"WorkloadError: {refused.value}"]
