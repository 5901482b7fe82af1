"""Thresholds follow costs, confusion counts, gaps between groups and weak slices are found where they were planted."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from components.artefacts.errors import WorkloadError
from components.declaration.behaviour import BehaviourTest
from components.declaration.loading import parse_workload, read_workload
from components.evaluation.behaviour_tests import behaviour, behaviour_measure
from components.evaluation.decisions import cheapest_threshold, confusion, curves, fairness, threshold_for_costs
from components.evaluation.hold_out import HoldOut
from components.evaluation.importance import permutation_importance
from components.evaluation.slices import slice_measures, values_of, weak_slices
from data_contracts.description.spec import ContractSpec, FieldSpec

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.beta(2, 5, 8000)
LABELS = RANDOM.random(8000) < TRUTH


def test_for_calibrated_answers_the_declared_costs_give_the_cheapest_threshold() -> None:
    assert threshold_for_costs(1, 4) == 0.2
    seen, cost = cheapest_threshold(LABELS, TRUTH, 1, 4)
    assert seen == pytest.approx(0.2, abs=0.06)
    said = seen <= TRUTH
    assert cost == pytest.approx(((said & ~LABELS).sum() + 4 * (~said & LABELS).sum()) / 8000)


def test_the_cheapest_threshold_never_parts_rows_that_tie() -> None:
    threshold, cost = cheapest_threshold(np.array([False, True, False, True]), np.array([0.2, 0.2, 0.2, 0.7]), 1, 1)
    assert (threshold, cost) == (0.7, 0.25)


def test_confusion_counts_every_row_once() -> None:
    found = confusion(np.array([True, True, False, False, False]), np.array([0.9, 0.1, 0.8, 0.2, 0.5]), 0.5)
    assert (found["true_yes"], found["missed_yes"], found["false_yes"], found["true_no"]) == (1, 1, 2, 1)
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 3), 0.5)


def test_curves_are_thinned_and_keep_their_ends() -> None:
    drawn = curves(LABELS, TRUTH)
    assert len(drawn["roc"]) <= 120
    assert drawn["roc"][0] == [0, 0]
    assert drawn["roc"][-1] == [1, 1]


def test_a_group_whose_positives_are_missed_is_a_gap_with_an_interval() -> None:
    group = RANDOM.choice(["a", "b"], 8000)
    answers = np.where(group == "b", TRUTH * 0.6, TRUTH)
    rows = pl.DataFrame({"group": group})
    (gap,), table = fairness(LABELS, answers, rows, ("group",), threshold=0.3, seed=1, resamples=200)
    assert gap.value > 0.3
    assert gap.bound("below") > 0.25
    assert {row["group"] for row in table} == {"group=a", "group=b"}
    (even,), _ = fairness(LABELS, TRUTH, rows, ("group",), threshold=0.3, seed=1, resamples=200)
    assert even.bound("below") < 0.05


def test_groups_that_are_too_small_to_be_compared_are_named_with_their_rows() -> None:
    group = np.array(["a"] * 4000 + ["b"] * 3900 + ["c"] * 60 + ["d"] * 40)
    (gap,), table = fairness(
        LABELS, TRUTH, pl.DataFrame({"city": group}), ("city",), threshold=0.3, seed=1, resamples=50
    )
    assert gap.detail.endswith("2 of 4 groups not compared, fewer than 20 rows that are yes: city=c (60), city=d (40)")
    assert [row["group"] for row in table if not row.get("compared", True)] == ["city=c", "city=d"]
    names = np.array([f"{place:02}" for place in range(50)]).repeat(160)
    _, many = fairness(LABELS, TRUTH, pl.DataFrame({"city": names}), ("city",), threshold=0.3, seed=1, resamples=5)
    assert many[-1] == {"group": "city: all beyond the 40 most frequent", "n": 1600, "compared": False}


def test_a_weak_slice_that_nobody_declared_is_found_and_honest_data_has_none_proven() -> None:
    rows = pl.DataFrame({"colour": RANDOM.choice(["red", "green", "blue"], 8000), "size": RANDOM.normal(size=8000)})
    weak = ((rows["colour"] == "red") & (rows["size"] > 0.7)).to_numpy()
    answers = TRUTH.copy()
    answers[weak] = RANDOM.permutation(answers[weak])
    worst = weak_slices("auc", LABELS, answers.astype(np.float32), rows, ("colour", "size"))[0]
    assert worst["proven"]
    assert "colour=red" in worst["slice"]
    assert "size=" in worst["slice"]
    assert not any(
        one["proven"] for one in weak_slices("auc", LABELS, TRUTH.astype(np.float32), rows, ("colour", "size"))
    )


def test_a_weak_hour_or_weekday_is_found_though_only_moments_are_given() -> None:
    start = datetime(2013, 10, 1)
    moments = [start + timedelta(minutes=int(minute)) for minute in RANDOM.integers(0, 31 * 1440, 8000)]
    rows = pl.DataFrame({"departs": moments, "colour": RANDOM.choice(["red", "green"], 8000)})
    for part, weak in (
        ("weekday of departs=Sunday", rows["departs"].dt.weekday() == 7),
        ("hour of departs=17", rows["departs"].dt.hour() == 17),
    ):
        answers = TRUTH.copy()
        answers[weak.to_numpy()] = RANDOM.permutation(answers[weak.to_numpy()])
        worst = weak_slices("auc", LABELS, answers.astype(np.float32), rows, ("departs", "colour"))[0]
        assert worst["proven"]
        assert part in worst["slice"]


def test_rows_without_a_value_are_a_slice_of_their_own() -> None:
    colours = pl.Series("colour", ["red", None, "blue", None, "red"])
    parts = {value: rows.tolist() for value, rows in values_of(colours).items()}
    assert parts["(missing)"] == [False, True, False, True, False]
    assert next(iter(parts)) == "red"
    assert list(parts)[-1] == "(missing)"
    assert "(missing)" not in values_of(colours.drop_nulls())
    numbers = pl.Series("size", [float(n) for n in range(98)] + [None, float("nan")])
    quarters = values_of(numbers)
    assert len(quarters) == 5
    assert quarters["(missing)"].sum() == 2
    # Every row is in one part and in no other.
    assert (sum(rows.astype(int) for rows in quarters.values()) == 1).all()


def test_what_is_not_measured_of_a_declared_slice_is_named_with_its_rows() -> None:
    rows = 8000
    places = np.array([f"p{number:03}" for number in range(60)])[RANDOM.integers(0, 60, rows)]
    column: list[str | None] = list(places)
    column[:30] = [None] * 30
    hold_out = HoldOut(
        labels=LABELS,
        graph=TRUTH.astype(np.float32),
        trainer=TRUTH.astype(np.float32),
        rivals={},
        rows=pl.DataFrame({"place": column}),
        slices=("place",),
    )
    measures, unmeasured = slice_measures("auc", hold_out, seed=1, resamples=5)
    missing, beyond = unmeasured[-2:]
    assert missing == "place=(missing) (30 rows)"
    assert beyond.startswith("place: 20 values beyond the 40 most frequent (")
    told = int(beyond.split("(")[1].split(" rows")[0].replace(",", ""))
    small = sum(int(one.split("(")[-1].split(" rows")[0]) for one in unmeasured[:-2])
    assert sum(measure.n or 0 for measure in measures if measure.name == "auc") + told + small + 30 == rows


CONTRACT = ContractSpec(
    name="Rain",
    description="",
    fields=(
        FieldSpec(name="rain", dtype="number", description="", le=1000),
        FieldSpec(name="noise", dtype="number", description=""),
        FieldSpec(name="colour", dtype="string", description=""),
        FieldSpec(name="late", dtype="boolean", description="", roles=("label",), available="after"),
    ),
)


def ask(rows: pl.DataFrame) -> NDArray[np.float32]:
    """Answer like a model that knows rain and nothing else."""
    answers: NDArray[np.float32] = (rows["rain"] / 10).clip(0, 1).cast(pl.Float32).to_numpy()
    return answers


def test_importance_is_lost_only_with_the_field_that_is_used() -> None:
    rows = pl.DataFrame({"rain": TRUTH * 10, "noise": RANDOM.normal(size=8000)})
    first, second = permutation_importance(ask, rows, LABELS, ["noise", "rain"], "auc", seed=1)
    assert (first["field"], second["field"]) == ("rain", "noise")
    assert first["loss"] > 0.1
    assert second["loss"] == 0


@pytest.mark.parametrize(
    ("test", "passed"),
    [
        ({"set": {"noise": 5.0}, "expect": "same"}, True),
        ({"set": {"rain": 5.0}, "expect": "same"}, False),
        ({"add": {"rain": 1.0}, "expect": "higher"}, True),
        ({"add": {"rain": 1.0}, "expect": "lower"}, False),
        ({"set": {"rain": 9.0}, "expect": "at_least", "limit": 0.8}, True),
        ({"set": {"rain": 1.0}, "expect": "at_least", "limit": 0.8}, False),
        ({"where": {"colour": "red"}, "expect": "at_most", "limit": 1.0}, True),
    ],
)
def test_behaviour_is_judged(test: dict[str, object], passed: bool) -> None:
    rows = pl.DataFrame({"rain": TRUTH * 10, "noise": 0.0, "colour": RANDOM.choice(["red", "green"], 8000)})
    results = behaviour(ask, rows, [BehaviourTest.model_validate({"name": "a test"} | test)], CONTRACT, seed=1)
    assert results[0]["passed"] is passed
    assert behaviour_measure(results).value == (0 if passed else 1)


def test_a_failed_behavioural_test_says_what_was_changed_and_asked() -> None:
    rows = pl.DataFrame({"rain": [5.0, 6.0], "noise": [0.0, 0.0], "colour": ["red", "green"]})

    def failed(**test: object) -> str:
        declared = [BehaviourTest.model_validate({"name": "a test"} | test)]
        measure = behaviour_measure(behaviour(ask, rows, declared, CONTRACT, seed=1))
        assert measure.value == 1
        return measure.detail

    assert failed(set={"rain": 5.0}, where={"colour": "green"}, expect="lower", tolerance=0.5) == (
        "a test: with rain = 5.0 where colour = green answers move by -0.1 on average; more than 0.5 down was asked"
    )
    assert failed(add={"rain": -1.0}, expect="higher").startswith("a test: with rain - 1 answers move by -0.1")
    same = failed(add={"rain": 1.0}, expect="same", tolerance=0.05)
    assert same.endswith("answers move by up to 0.1; no move of more than 0.05 was asked")
    assert failed(expect="at_least", limit=0.9, tolerance=0.05).endswith(
        "at least 0.9 in 95 % of the answers was asked"
    )


def test_a_behavioural_test_that_no_row_can_answer_is_failed_and_says_so() -> None:
    rows = pl.DataFrame({"rain": [1.0], "noise": [0.0], "colour": ["red"]})
    dry = {"name": "dry", "where": {"rain": 9.0}, "add": {"rain": 1.0}, "expect": "higher"}
    flood = {"name": "flood", "add": {"rain": 1e300}, "expect": "higher"}
    found = behaviour(ask, rows, [BehaviourTest.model_validate(test) for test in (dry, flood)], CONTRACT, seed=1)
    assert [one["passed"] for one in found] == [False, False]
    assert found[0]["found"] == "no row of the hold-out has {'rain': 9.0}"
    assert found[1]["found"] == "after the change, no row keeps the contract"


def test_values_of_every_type_are_asked_about_as_the_contract_has_them() -> None:
    kinds: dict[str, Any] = {"at": "datetime", "day": "date", "seats": "integer", "code": "string", "gift": "boolean"}
    fields = [FieldSpec(name=name, dtype=kind, description="", nullable=True) for name, kind in kinds.items()]
    contract = ContractSpec(name="Kinds", description="", fields=(*fields, *CONTRACT.fields[-1:]))
    start = {"at": datetime(2024, 1, 1), "day": date(2024, 1, 1), "seats": 2**53 + 1, "code": "a", "gift": False}
    rows = pl.DataFrame([start, {**start, "seats": 2**63 - 1}], schema_overrides={"seats": pl.Int64})
    seen: list[dict[str, Any]] = []

    def remember(asked: pl.DataFrame) -> NDArray[np.float32]:
        seen.extend(asked.to_dicts())
        return np.zeros(asked.height, dtype=np.float32)

    values = {"at": "2024-05-05T08:15:00", "day": date(2024, 6, 30), "code": "NO", "gift": None}
    test = {"name": "every kind", "set": values, "add": {"seats": 3}, "where": {"gift": False}, "expect": "same"}
    (found,) = behaviour(remember, rows, [BehaviourTest.model_validate(test)], contract, seed=1)
    assert found["passed"]
    # The sum of the other row is no integer of 64 bits.
    assert found["rows"] == 1
    whole = {"at": datetime(2024, 5, 5, 8, 15), "day": date(2024, 6, 30), "seats": 2**53 + 4, "code": "NO"}
    assert seen == [whole | {"gift": None}, start]


def test_a_behavioural_test_that_tests_nothing_is_refused_when_the_file_is_read() -> None:
    document = read_workload("flights").model_dump(mode="json", exclude_none=True)
    document["gates"]["behaviour"] = [{"name": "nothing", "expect": "same"}]
    with pytest.raises(WorkloadError, match="say with set or add what is changed"):
        parse_workload(document, where="flights.yaml")
