"""What nobody asked is said: contradicting metrics, decisions that are worth nothing, rows where it only guesses."""

import numpy as np
import polars as pl
import pytest

from components.declaration.loading import read_workload
from components.declaration.workload import Workload
from components.evaluation.decisions import saving
from components.evaluation.evaluate import evaluate_candidate
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.hold_out import HoldOut, Rival
from components.gates.judge import Context, judge
from components.gates.plain_words import plain_words

RANDOM = np.random.default_rng(11)
ROWS = 6_000
TRUTH = RANDOM.beta(2, 8, ROWS)
LABELS = RANDOM.random(ROWS) < TRUTH


def workload(threshold: float = 0.5, converged: str = "warning") -> Workload:
    flights = read_workload("flights")
    serving = flights.serving.model_copy(update={"decision_threshold": threshold})
    gates = flights.gates.model_copy(update={"costs": None, "converged": converged})
    return flights.model_copy(update={"serving": serving, "gates": gates})


def evaluated(answers: np.ndarray, baseline: np.ndarray, threshold: float = 0.5) -> Evidence:
    rivals = {
        "base_rate": Rival(np.full(ROWS, LABELS.mean(), dtype=np.float32), "the mean"),
        "baseline": Rival(baseline.astype(np.float32), "linear"),
    }
    single = answers.astype(np.float32)
    rows = pl.DataFrame({"origin": ["EWR"] * ROWS})
    held = HoldOut(LABELS, single, single, rivals, rows, ("origin",), tuning=(LABELS, single))
    return evaluate_candidate(held, workload(threshold), model="m", resamples=100)


def test_a_decision_that_costs_more_than_none_is_named_and_a_threshold_from_validation_is_offered() -> None:
    # Ranks perfectly well, and is far too sure at the top.
    answers = np.where(TRUTH > 0.45, 0.9, TRUTH / 2)
    evidence = evaluated(answers, TRUTH)
    found = evidence.find("decision_saving")
    assert found is not None
    assert found.value < 0.05
    report = judge(evidence, workload())
    (said,) = [line for line in report.fails if line.startswith("Decisions are")]
    assert "at its threshold of 0.5 it finds" in said
    assert "chosen on validation for the best F1" in said
    assert said in report.warnings
    assert any(line.startswith("Ranking: of a row that is yes") for line in report.good_for)


def test_a_useful_decision_is_what_the_model_is_good_for() -> None:
    evidence = evaluated(TRUTH, TRUTH, threshold=0.2)
    said = plain_words(evidence, workload(0.2))
    assert said.fails == ()
    assert said.good_for[1].startswith("Deciding: at its threshold of 0.2 it finds")
    assert "saves" in said.good_for[1]


def test_the_share_saved_is_counted_against_the_better_constant() -> None:
    labels, answers = np.array([True, True, False, False, False]), np.array([0.9, 0.1, 0.9, 0.1, 0.1])
    # A miss and a false alarm cost a half each: one of both, where answering no costs two misses.
    assert saving(labels, answers, 0.5, seed=1, resamples=20).value == 0.0
    found = saving(labels, answers, 0.2, seed=1, resamples=20)
    # A false alarm costs 0.2 and a miss 0.8; yes to all costs three alarms.
    assert found.value == pytest.approx(1 - (0.2 + 0.8) / 0.6)
    assert found.detail == "answering yes to all"
    assert saving(np.array([True, True]), np.array([0.9, 0.9]), 0.5, seed=1, resamples=5).value == 0.0


def test_metrics_in_which_the_baseline_is_better_are_a_warning_of_the_report() -> None:
    # The same ranking, badly calibrated: equal in AUC, worse in log-loss and Brier.
    evidence = evaluated(TRUTH**2, TRUTH)
    report = judge(evidence, workload())
    (said,) = [line for line in report.warnings if line.startswith("The baseline (linear) is better in")]
    assert "log-loss" in said
    assert "Brier score" in said
    assert "PR-AUC" not in said
    assert "beyond doubt: the goal asks for the AUC alone" in said


def test_rows_on_which_the_model_only_guesses_are_named() -> None:
    evidence = evaluated(TRUTH, TRUTH)
    weak = [{"slice": "city=Oslo", "n": 500, "metric": "auc", "value": 0.47, "z": 6.0, "proven": True, "tried": 9}]
    said = plain_words(evidence.model_copy(update={"tables": {**evidence.tables, "weak_slices": weak}}), workload())
    assert "No better than guessing where city=Oslo (AUC 0.47, 500 rows)" in said.fails


def test_what_a_gate_failed_stands_where_it_fails_and_says_on_which_side() -> None:
    evidence = evaluated(np.minimum(TRUTH + 0.3, 0.99), TRUTH)
    report = judge(evidence, workload())
    failed = {verdict.gate for verdict in report.verdicts if verdict.state == "failed"}
    assert "calibration" in failed
    (said,) = [line for line in report.fails if line.startswith("Its answers cannot be taken at their word")]
    assert "they are too high in all 15 bins (50% on average where 20% were yes); the calibration error is 0.3" in said
    # A refusal is no warning besides, and every one is said.
    assert said not in report.warnings
    assert len(report.fails) >= len(failed)


def test_failed_behaviour_is_said_by_the_name_of_the_test_and_what_was_found() -> None:
    count = Measure(name="behaviour_failures", value=1, n=1, source="test", detail="rain: answers move by -0.1")
    tables = {
        "behaviour": [
            {
                "name": "rain",
                "passed": False,
                "changed": "rain + 1",
                "asked": "up on average",
                "found": "answers move by -0.1",
            }
        ]
    }
    evidence = evaluated(TRUTH, TRUTH, 0.2).with_measures(count)
    report = judge(evidence.model_copy(update={"tables": evidence.tables | tables}), workload(0.2))
    assert report.fails[0] == (
        "It does not behave as was declared (rain: with rain + 1 answers move by -0.1; up on average was asked)"
    )


def test_a_range_that_surely_holds_less_than_it_promises_is_named() -> None:
    evidence = evaluated(TRUTH, TRUTH, 0.2)
    tables = evidence.tables | {"quantiles": [{"level": 0.1}, {"level": 0.9}]}

    def said(value: float) -> tuple[str, ...]:
        found = Measure(name="coverage", value=value, low=value - 0.04, high=value + 0.04, n=500, source="test")
        given = evidence.model_copy(update={"tables": tables}).with_measures(found)
        return plain_words(given, workload(0.2)).warnings

    (warning,) = said(0.659)
    assert warning.startswith(
        "The range from the quantile 0.1 to 0.9 promises 80% of what comes and holds 65.9% (61.9%"
    )
    assert said(0.78) == ()


def test_slices_that_are_proven_worse_are_said_declared_ones_and_found_ones() -> None:
    evidence = evaluated(TRUTH, TRUTH, 0.2)
    worse = Measure(name="auc", value=0.5, low=0.49, high=0.51, n=400, slice="city=Oslo", source="test")
    found = {"metric": "auc", "value": 0.6, "n": 500, "z": 6.0, "tried": 9}
    weak = [found | {"slice": "age=0 to 9", "proven": True}, found | {"slice": "age=10 to 19", "proven": False}]
    given = evidence.with_measures(worse).model_copy(update={"tables": evidence.tables | {"weak_slices": weak}})
    said = plain_words(given, workload(0.2))
    assert said.fails == (
        "Worse than on the whole, beyond doubt, where city=Oslo (AUC 0.5, 400 rows); "
        "where age=0 to 9 (AUC 0.6, 500 rows)",
    )
    assert said.warnings == ()


def test_groups_of_which_no_two_can_be_compared_are_a_warning() -> None:
    evidence = evaluated(TRUTH, TRUTH, 0.2)
    groups = [{"group": "city=Voss", "n": 12, "compared": False}, {"group": "city=Oslo", "n": 900, "found": 1.0}]
    asked = workload(0.2)
    asked = asked.model_copy(update={"gates": asked.gates.model_copy(update={"sensitive": ("city",)})})
    given = evidence.model_copy(update={"tables": evidence.tables | {"groups": groups}})
    assert plain_words(given, asked).warnings == (
        "Nothing is known about fairness: of 2 groups of city no two are large enough to be compared",
    )


def test_a_training_that_was_cut_off_is_a_warning_and_a_gate_where_it_is_asked_for() -> None:
    cut = Measure(name="trainings_cut_off", value=1.0, source="training", detail="the training was cut off by a cap")
    evidence = evaluated(TRUTH, TRUTH)
    warned = judge(evidence, workload(), Context(measures=(cut,)))
    assert "the training was cut off by a cap" in warned.warnings
    assert "converged" not in {verdict.gate for verdict in warned.verdicts}
    refused = judge(evidence, workload(converged="required"), Context(measures=(cut,)))
    verdict = next(verdict for verdict in refused.verdicts if verdict.gate == "converged")
    assert verdict.state == "failed"
    assert verdict.reason == "Trainings that were cut off: 1 (the training was cut off by a cap)."
