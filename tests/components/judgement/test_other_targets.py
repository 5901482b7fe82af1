"""Classes and numbers are evaluated by the same evidence and the same gates as yes or no."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from components.declaration import Workload, contract_of, read_workload
from components.errors import SplitError, WorkloadError
from components.judgement.dossier import Subject, render_dossier
from components.judgement.evaluation import evaluate_candidate
from components.judgement.evidence import Measure
from components.judgement.gates import Context, judge
from components.judgement.hold_out import HoldOut, Rival, labels_of, trainer_answers
from components.judgement.metrics import score
from components.judgement.targets import Target, target_of
from components.training.results import Candidate
from data_contracts.flights import Flight
from data_contracts.spec import ContractSpec, FieldSpec

ROWS = 3000
RANDOM = np.random.default_rng(5)
COST = Context(measures=(Measure(name="training_usd", value=0.01, source="test"),))


def asking(metric: str, direction: str, threshold: float) -> Workload:
    """Return flights with another goal."""
    workload = read_workload("flights")
    goal = workload.goal.model_copy(update={"metric": metric, "direction": direction, "threshold": threshold})
    return workload.model_copy(update={"goal": goal})


def hold_out(labels: NDArray[Any], good: NDArray[Any], weak: NDArray[Any], base: NDArray[Any], to: Target) -> HoldOut:
    """Return a hold-out of two groups, in which the baseline is ``weak``."""
    rows = pl.DataFrame({"site": RANDOM.choice(["north", "south"], ROWS)})
    rivals = {"base_rate": Rival(base, "constant"), "baseline": Rival(weak, "xgboost")}
    return HoldOut(labels, good, good, good, rivals, rows, slices=("site",), target=to)


def classes() -> HoldOut:
    labels = RANDOM.choice(3, ROWS, p=[0.6, 0.3, 0.1])
    good = softmax(2.0 * np.eye(3)[labels] + RANDOM.normal(size=(ROWS, 3)), axis=1).astype(np.float32)
    weak = softmax(1.0 * np.eye(3)[labels] + RANDOM.normal(size=(ROWS, 3)), axis=1).astype(np.float32)
    base = np.tile(np.array([0.6, 0.3, 0.1], np.float32), (ROWS, 1))
    return hold_out(labels, good, weak, base, "multiclass")


def numbers() -> HoldOut:
    labels = RANDOM.normal(20, 5, ROWS)
    good, weak = (labels + RANDOM.normal(0, spread, ROWS) for spread in (1.0, 2.0))
    return hold_out(
        labels,
        good.astype(np.float32),
        weak.astype(np.float32),
        np.full(ROWS, labels.mean(), np.float32),
        "regression",
    )


def test_classes_are_judged_by_macro_f1_and_shown_one_by_one() -> None:
    workload, rows = asking("macro_f1", "at_least", 0.6), classes()
    evidence = evaluate_candidate(rows, workload, model="mlp", resamples=200)
    report = judge(evidence, workload, COST)
    assert report.passed, [verdict.line for verdict in report.refused]
    assert {"goal", "base-rate", "baseline", "slices"} <= {verdict.gate for verdict in report.verdicts}
    assert "calibration" not in {verdict.gate for verdict in report.verdicts}
    assert sum(row["n"] for row in evidence.tables["classes"]["classes"]) == ROWS
    assert np.sum(evidence.tables["classes"]["confusion"]) == ROWS
    page = render_dossier(Subject(workload, contract_with(label(allowed=("a", "b", "c"))), evidence, report))
    assert "answered b" in page


def test_numbers_are_judged_by_an_error_that_must_be_small() -> None:
    workload, rows = asking("rmse", "at_most", 1.2), numbers()
    evidence = evaluate_candidate(rows, workload, model="mlp", resamples=200)
    assert judge(evidence, workload, COST).passed
    gain = evidence.find("gain_over_baseline")
    assert gain is not None
    assert gain.value == pytest.approx(1.0, abs=0.1)
    other = rows.rivals["baseline"].answers
    worse = replace(rows, graph=other, trainer=other, exported=other)
    refused = judge(evaluate_candidate(worse, workload, model="mlp", resamples=200), workload, COST).refused
    assert [verdict.gate for verdict in refused] == ["goal"]
    assert "with 95 % confidence at least" in refused[0].reason


def test_a_goal_that_cannot_judge_the_label_is_refused_before_anything_runs() -> None:
    with pytest.raises(WorkloadError, match="rmse cannot judge 'late', a boolean; for binary answers: auc, pr_auc"):
        contract_of(asking("rmse", "at_most", 1.2))


def test_gates_about_fields_that_are_not_there_are_refused_before_anything_runs() -> None:
    workload = read_workload("flights")
    gates = workload.gates.model_copy(update={"sensitive": ("origin", "orgin")})
    with pytest.raises(WorkloadError, match=r"'gates\.sensitive': 'orgin' is not an input of Flight"):
        contract_of(workload.model_copy(update={"gates": gates}))


def label(**changed: Any) -> FieldSpec:
    return FieldSpec(name="y", dtype="string", description="the label", roles=("label",), available="after", **changed)


def contract_with(field: FieldSpec) -> ContractSpec:
    return msgspec.structs.replace(Flight.spec(), fields=(*Flight.spec().inputs, field))


def test_labels_of_classes_are_places_in_the_contract() -> None:
    contract = contract_with(label(allowed=("low", "mid", "high")))
    assert target_of(contract) == "multiclass"
    labels = labels_of(pl.DataFrame({"y": ["high", "low", "mid", "low"]}), contract)
    assert labels.tolist() == [2, 0, 1, 0]
    with pytest.raises(SplitError, match="has y = mid"):
        labels_of(pl.DataFrame({"y": ["mid", "mid"]}), contract)


def test_labels_of_numbers_are_the_numbers() -> None:
    field = FieldSpec(name="y", dtype="number", description="minutes late", roles=("label",), available="after")
    assert target_of(contract_with(field)) == "regression"
    assert labels_of(pl.DataFrame({"y": [1.5, 2.5]}), contract_with(field)).tolist() == [1.5, 2.5]


def test_the_trainers_probabilities_of_classes_are_read_in_the_order_of_rows(tmp_path: Path) -> None:
    rows = classes()
    table = pl.DataFrame({"split": ["test"] * ROWS, "row": np.arange(ROWS), "probability": rows.graph.tolist()})
    table.reverse().write_parquet(tmp_path / "answers.parquet")
    candidate = Candidate(
        name="mlp",
        family="lightning",
        model=tmp_path / "model.onnx",
        digest="d",
        predictions=tmp_path / "answers.parquet",
        score=0.7,
        seconds=1,
    )
    read = trainer_answers(candidate, "test", ROWS)
    assert read.shape == (ROWS, 3)
    assert score("accuracy", rows.labels, read) == score("accuracy", rows.labels, rows.graph)
