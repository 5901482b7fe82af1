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

from components.artefacts.errors import SplitError, WorkloadError
from components.declaration.behaviour import BehaviourTest
from components.declaration.gates import Costs, Floor
from components.declaration.loading import contract_of, parse_workload, read_workload
from components.declaration.targets import Target, target_of
from components.declaration.workload import Workload
from components.evaluation.behaviour_tests import behaviour
from components.evaluation.evaluate import evaluate_candidate
from components.evaluation.evidence import Measure
from components.evaluation.hold_out import HoldOut, Quantiles, Rival, labels_of, trainer_answers
from components.evaluation.metrics import score
from components.evaluation.slices import weak_slices
from components.faults.bench import kept_rows
from components.gates.judge import Context, judge
from components.reports.dossier import render_dossier
from components.reports.subject import Subject
from components.training.results import Candidate
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.flights import Flight

ROWS = 3000
RANDOM = np.random.default_rng(5)
COST = Context(measures=(Measure(name="training_usd", value=0.01, source="test"),))


def asking(metric: str, direction: str, threshold: float) -> Workload:
    """Return flights with another goal."""
    workload = read_workload("flights")
    goal = workload.goal.model_copy(update={"metric": metric, "direction": direction, "threshold": threshold})
    gates = workload.gates.model_copy(update={"costs": None, "calibration_error": 0.05})
    return workload.model_copy(update={"goal": goal, "gates": gates})


def hold_out(labels: NDArray[Any], good: NDArray[Any], weak: NDArray[Any], base: NDArray[Any], to: Target) -> HoldOut:
    """Return a hold-out of two groups, in which the baseline is ``weak``."""
    rows = pl.DataFrame({"site": RANDOM.choice(["north", "south"], ROWS)})
    rivals = {"base_rate": Rival(base, "constant"), "baseline": Rival(weak, "xgboost")}
    return HoldOut(labels=labels, graph=good, trainer=good, rivals=rivals, rows=rows, slices=("site",), target=to)


def classes() -> HoldOut:
    shares = np.array([0.6, 0.3, 0.1])
    labels = RANDOM.choice(3, ROWS, p=shares)
    # What Bayes answers to one observation a class, of unit noise around 3 or 1: calibrated.
    good, weak = (
        softmax(far * (far * np.eye(3)[labels] + RANDOM.normal(size=(ROWS, 3))) + np.log(shares), axis=1)
        for far in (3.0, 1.0)
    )
    base = np.tile(shares.astype(np.float32), (ROWS, 1))
    return hold_out(labels, good.astype(np.float32), weak.astype(np.float32), base, "multiclass")


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
    assert "calibration" in {verdict.gate for verdict in report.verdicts}
    assert sum(row["n"] for row in evidence.tables["classes"]["classes"]) == ROWS
    assert np.sum(evidence.tables["classes"]["confusion"]) == ROWS
    for name in ("0", "1", "2"):
        f1 = evidence.find(f"f1_{name}")
        assert f1 is not None
        assert f1.low is not None
        assert f1.low < f1.value
    page = render_dossier(Subject(workload, contract_with(label(allowed=("a", "b", "c"))), evidence, report))
    assert "answered 1" in page
    assert "a probability for each class of y" in page


def test_an_overconfident_class_is_named() -> None:
    rows = classes()
    powers = rows.rivals["baseline"].answers ** 4
    sharp = powers / powers.sum(axis=1, keepdims=True)
    evidence = evaluate_candidate(replace(rows, graph=sharp), asking("macro_f1", "at_least", 0.6), model="mlp")
    measure = evidence.find("calibration_error")
    assert measure is not None
    assert measure.value > 0.05
    assert measure.detail.startswith("of the class ")


def test_what_it_costs_to_miss_a_class_moves_the_decision_and_lowers_the_cost() -> None:
    workload = asking("macro_f1", "at_least", 0.6)
    gates = workload.gates.model_copy(update={"costs": Costs(classes={"rare": 8.0})})
    rows = replace(classes(), classes=("usual", "other", "rare"))
    rows = replace(rows, graph=rows.rivals["baseline"].answers)
    cost, recalls = [], []
    for asked in (workload, workload.model_copy(update={"gates": gates})):
        evidence = evaluate_candidate(rows, asked, model="mlp", resamples=100)
        recalls.append(evidence.tables["classes"]["classes"][2]["recall"])
        cost.append(evidence.find("decision_cost"))
    assert recalls[1] > recalls[0] + 0.1
    assert cost[0] is None
    assert cost[1] is not None
    likeliest = float(cost[1].detail.rsplit("cost ", 1)[1].split(" a row")[0])
    assert cost[1].high is not None
    assert cost[1].high < likeliest


def with_floors(*floors: Floor) -> Workload:
    workload = asking("macro_f1", "at_least", 0.6)
    return workload.model_copy(update={"gates": workload.gates.model_copy(update={"floors": floors})})


@pytest.mark.parametrize(
    ("least", "kept", "state"), [(0.9, ROWS, "passed"), (0.999, ROWS, "failed"), (0.96, 1200, "undecided")]
)
def test_a_floor_for_a_class_is_judged_by_the_interval_of_its_own_rows(least: float, kept: int, state: str) -> None:
    rows = kept_rows(replace(classes(), classes=("usual", "other", "rare")), np.arange(kept))
    workload = with_floors(Floor(metric="recall", of="rare", at_least=least))
    evidence = evaluate_candidate(rows, workload, model="mlp", resamples=200)
    recall = evidence.find("recall_rare")
    assert recall is not None
    assert recall.value == evidence.tables["classes"]["classes"][2]["recall"]
    assert recall.n == (rows.labels == 2).sum()
    verdicts = {verdict.gate: verdict for verdict in judge(evidence, workload, COST).verdicts}
    found = verdicts["floor-recall_rare"]
    assert found.state == state, found.line
    assert found.reason.startswith("The recall of rare is 0.9")
    assert "(of the rows that are rare)" in found.reason
    if state == "failed":
        assert "say what it costs to miss it (gates.costs)" in found.would_pass
    if state == "undecided":
        assert f"at least {least} is asked, and {recall.n} rows cannot tell" in found.reason
        assert found.rows_needed is not None
        assert f"the same value on {found.rows_needed:,} rows would" in found.would_pass


def test_a_class_that_is_never_answered_fails_its_floor_and_one_with_few_rows_is_undecided() -> None:
    rows = replace(classes(), classes=("usual", "other", "rare"))
    silent = rows.graph.copy()
    silent[:, 2] = 0
    workload = with_floors(
        Floor(metric="recall", of="rare", at_least=0.2), Floor(metric="precision", of="rare", at_least=0.2)
    )
    refused = {
        verdict.gate: verdict
        for verdict in judge(
            evaluate_candidate(replace(rows, graph=silent), workload, model="mlp", resamples=100), workload, COST
        ).refused
    }
    assert refused["floor-recall_rare"].state == "failed"
    assert refused["floor-precision_rare"].state == "undecided"
    assert "The precision of rare was not measured" in refused["floor-precision_rare"].reason
    few = kept_rows(rows, np.concatenate([np.flatnonzero(rows.labels != 2), np.flatnonzero(rows.labels == 2)[:60]]))
    verdicts = {
        verdict.gate: verdict
        for verdict in judge(evaluate_candidate(few, workload, model="mlp", resamples=100), workload, COST).verdicts
    }
    assert verdicts["floor-recall_rare"].state == "undecided"
    assert "rests on 60 rows" in verdicts["floor-recall_rare"].reason


def test_a_floor_for_another_metric_may_ask_for_at_most() -> None:
    for most, state in ((0.9, "passed"), (0.01, "failed")):
        workload = with_floors(Floor(metric="cross_entropy", at_most=most))
        evidence = evaluate_candidate(classes(), workload, model="mlp", resamples=100)
        verdicts = {verdict.gate: verdict.state for verdict in judge(evidence, workload, COST).verdicts}
        assert verdicts["floor-cross_entropy"] == state


@pytest.mark.parametrize(
    ("floor", "told"),
    [
        ({"metric": "recall", "at_least": 0.2}, "recall of which class"),
        ({"metric": "macro_f1", "of": "late", "at_least": 0.2}, "macro_f1 is of all classes"),
        ({"metric": "macro_f1"}, "give one of at_least and at_most"),
        ({"metric": "recall", "of": "lat", "at_least": 0.2}, "'lat' is no class of 'delay_band'; classes: early,"),
        ({"metric": "auc", "at_least": 0.2}, "auc cannot judge 'delay_band', a string"),
        ({"metric": "cross_entropy", "at_most": 1}, "cross_entropy is the goal's metric"),
    ],
)
def test_a_floor_that_cannot_be_asked_is_refused_before_anything_runs(floor: dict[str, Any], told: str) -> None:
    document = read_workload("delay_band").model_dump(mode="json", exclude_none=True)
    document["gates"]["floors"] = [floor]
    with pytest.raises(WorkloadError, match=told):
        contract_of(parse_workload(document, where="test"))


def test_a_group_whose_class_is_missed_is_a_gap() -> None:
    rows = classes()
    group = np.where(rows.rows["site"] == "north", 1.0, 0.0)
    missed = rows.graph * (1 - 0.99 * group[:, None] * np.eye(3)[1])
    gates = asking("macro_f1", "at_least", 0.6).gates.model_copy(update={"sensitive": ("site",)})
    workload = asking("macro_f1", "at_least", 0.6).model_copy(update={"gates": gates})
    for graph, least, most in ((rows.graph, 0.0, 0.1), (missed, 0.2, 1.0)):
        evidence = evaluate_candidate(replace(rows, graph=graph), workload, model="mlp", resamples=100)
        gap = evidence.find("fairness_gap")
        assert gap is not None
        assert least <= gap.value <= most
    assert "1, site: south" in gap.detail
    assert "served alike" in render_dossier(
        Subject(workload, contract_with(label(allowed=("a", "b", "c"))), evidence, judge(evidence, workload, COST))
    )


def test_quantiles_that_keep_their_promise_pass_and_narrow_ones_do_not() -> None:
    rows, workload = numbers(), asking("rmse", "at_most", 1.2)
    for width, kept in ((1.2816, True), (0.7, False)):
        ends = np.stack([rows.graph - width, rows.graph + width], axis=1).astype(np.float32)
        with_ends = replace(rows, quantiles=Quantiles((0.1, 0.9), ends, ends))
        evidence = evaluate_candidate(with_ends, workload, model="mlp", resamples=200)
        report = judge(evidence, workload, COST)
        assert report.passed is kept, [verdict.line for verdict in report.refused]
        coverage = evidence.find("coverage")
        assert coverage is not None
        assert coverage.low is not None
        assert (coverage.low < 0.8 < coverage.high) is kept
    assert [verdict.gate for verdict in report.refused] == ["calibration"]
    assert "below the quantile 0.1" in report.refused[0].reason
    field = FieldSpec(name="y", dtype="number", description="minutes late", roles=("label",), available="after")
    page = render_dossier(Subject(workload, contract_with(field), evidence, report))
    assert "its best guess of y, with the quantiles 0.1, 0.9" in page


def test_a_group_that_is_answered_too_high_is_a_gap() -> None:
    rows = numbers()
    workload = asking("rmse", "at_most", 1.2)
    gates = workload.gates.model_copy(update={"sensitive": ("site",), "fairness_gap": 0.2})
    workload = workload.model_copy(update={"gates": gates})
    raised = rows.graph + np.where(rows.rows["site"] == "north", 2.0, 0.0).astype(np.float32)
    for graph, refused in ((rows.graph, False), (raised, True)):
        report = judge(evaluate_candidate(replace(rows, graph=graph), workload, model="mlp", resamples=100), workload)
        assert ("fairness" in {verdict.gate for verdict in report.refused}) is refused


def test_slices_with_larger_errors_are_found_without_being_declared() -> None:
    rows = numbers()
    noise = RANDOM.normal(0, 3, ROWS) * (rows.rows["site"] == "south").to_numpy()
    worst = weak_slices("mae", rows.labels, (rows.graph + noise).astype(np.float32), rows.rows, ("site",))[0]
    assert (worst["slice"], worst["metric"], worst["proven"]) == ("site=south", "mae", True)
    assert not any(one["proven"] for one in weak_slices("mae", rows.labels, rows.graph, rows.rows, ("site",)))
    several = classes()
    broken = several.graph.copy()
    kept = (several.rows["site"] == "north").to_numpy()
    broken[kept] = broken[kept][:, [1, 2, 0]]
    found = weak_slices("macro_f1", several.labels, broken, several.rows, ("site",))[0]
    assert (found["slice"], found["metric"], found["proven"]) == ("site=north", "cross_entropy", True)


def test_a_behavioural_test_says_which_class_it_is_about() -> None:
    rows = pl.DataFrame({"rain": np.linspace(0, 1, 50)})

    def ask(asked: pl.DataFrame) -> NDArray[np.float32]:
        late = asked["rain"].to_numpy() / 10
        return np.stack([1 - late, late], axis=1).astype(np.float32)

    def test_of(of: str | None, expect: Any = "higher") -> BehaviourTest:
        return BehaviourTest(name="rain makes it later", add={"rain": 1.0}, expect=expect, of=of)

    names = ("on_time", "late")
    rain = FieldSpec(name="rain", dtype="number", description="")
    label = FieldSpec(name="delay", dtype="string", description="", allowed=names, roles=("label",), available="after")
    contract = ContractSpec(name="Rain", description="", fields=(rain, label))
    assert behaviour(ask, rows, [test_of("late")], contract, seed=1, classes=names)[0]["passed"]
    assert not behaviour(ask, rows, [test_of("on_time")], contract, seed=1, classes=names)[0]["passed"]
    assert not behaviour(ask, rows, [test_of(None, "same")], contract, seed=1, classes=names)[0]["passed"]


def test_numbers_are_judged_by_an_error_that_must_be_small() -> None:
    workload, rows = asking("rmse", "at_most", 1.2), numbers()
    evidence = evaluate_candidate(rows, workload, model="mlp", resamples=200)
    assert judge(evidence, workload, COST).passed
    gain = evidence.find("gain_over_baseline")
    assert gain is not None
    assert gain.value == pytest.approx(1.0, abs=0.1)
    worse = replace(rows, graph=rows.rivals["baseline"].answers, trainer=rows.rivals["baseline"].answers)
    refused = judge(evaluate_candidate(worse, workload, model="mlp", resamples=200), workload, COST).refused
    assert [verdict.gate for verdict in refused] == ["goal"]
    assert "surely at least" in refused[0].reason


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
    table = pl.DataFrame({"split": ["test"] * ROWS, "row": np.arange(ROWS), "answer": rows.graph.tolist()})
    table.reverse().write_parquet(tmp_path / "answers.parquet")
    candidate = Candidate(
        name="mlp",
        role="challenger",
        model=tmp_path / "model.onnx",
        digest="d",
        predictions=tmp_path / "answers.parquet",
        score=0.7,
        seconds=1,
    )
    read = trainer_answers(candidate, "test", ROWS)
    assert read.shape == (ROWS, 3)
    assert score("accuracy", rows.labels, read) == score("accuracy", rows.labels, rows.graph)


def test_an_answer_that_loses_its_quantiles_has_moved() -> None:
    rows = numbers()
    levels = np.stack([rows.graph - 1, rows.graph + 1], axis=1)
    kept = Quantiles((0.1, 0.9), graph=levels, trainer=levels, exported=levels)
    lost = replace(kept, graph=np.zeros_like(levels))
    moved = [
        evaluate_candidate(
            replace(rows, exported=rows.graph, quantiles=quantiles), asking("rmse", "at_most", 1.2), model="trees"
        ).find("answer_change")
        for quantiles in (kept, lost)
    ]
    assert moved[0] is not None
    assert moved[1] is not None
    assert moved[0].value == 0.0
    assert moved[1].value == pytest.approx(float(np.abs(levels).max()) / rows.scale)
