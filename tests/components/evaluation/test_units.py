"""Where rows of one day or customer are alike, the wider interval decides, unless the workload file says otherwise."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from components.artefacts.errors import WorkloadError
from components.declaration.loading import contract_of, parse_workload, read_workload
from components.declaration.workload import Workload
from components.evaluation.decisions import best_f1_threshold
from components.evaluation.evaluate import evaluate_candidate
from components.evaluation.hold_out import HoldOut, Rival, decide_unit
from components.evaluation.units import MIN_UNITS, ROWS, Unit, units_of
from components.gates.judge import judge
from data_contracts.contract import Contract, column
from data_contracts.flights import Flight

DAYS, EACH = 31, 200
RANDOM = np.random.default_rng(5)
# A day's weather makes all of its rows likelier to be late, and the model cannot see it.
WEATHER = RANDOM.normal(0, 1.2, DAYS)[np.repeat(np.arange(DAYS), EACH)]
KNOWN = RANDOM.normal(0, 0.8, DAYS * EACH)
LABELS = RANDOM.random(DAYS * EACH) < 1 / (1 + np.exp(1.5 - KNOWN - WEATHER))
ANSWERS = (1 / (1 + np.exp(1.5 - KNOWN))).astype(np.float32)
BY_DAY = Unit("day", np.repeat(np.arange(DAYS), EACH))


class Visit(Contract):
    """One visit of a customer."""

    customer: str | None = column("Who", roles=("group",))
    back: bool = column("Comes back", roles=("label",), available="after")


def test_the_widest_interval_decides_and_a_declared_unit_is_taken() -> None:
    units = {"row": (ROWS,), "day": (BY_DAY,)}
    chosen, spread = decide_unit("brier", LABELS, ANSWERS, units, None, seed=1, resamples=300)
    by = {one.by: one.high - one.low for one in spread}
    assert chosen.name == "day"
    assert by["day"] > 1.5 * by["row"]
    declared, _ = decide_unit("brier", LABELS, ANSWERS, units, "row", seed=1, resamples=100)
    assert declared.name == "row"
    single, _ = decide_unit("brier", LABELS, ANSWERS, {"row": (ROWS,), "day": ()}, "day", seed=1, resamples=100)
    assert single.name == "row"


def test_fewer_than_ten_days_are_drawn_only_if_they_are_declared_and_decide_nothing() -> None:
    few = Unit("day", np.arange(DAYS * EACH) % (MIN_UNITS - 1))
    units = {"row": (ROWS,), "day": (few,)}
    assert decide_unit("brier", LABELS, ANSWERS, units, None, seed=1, resamples=50)[0].name == "row"
    unit, spread = decide_unit("brier", LABELS, ANSWERS, units, "day", seed=1, resamples=50)
    report = judge(evaluate_candidate(hold_out(unit), asking(0.5), model="m", resamples=50), asking(0.5))
    goal = report.verdicts[0]
    assert (goal.gate, goal.state, goal.would_pass) == ("goal", "undecided", "judge on at least 10 days")
    assert "rests on 9 days" in goal.reason
    assert {one.by for one in spread} == {"day", "row"}


def test_days_and_groups_are_units_and_what_has_a_block_for_each_row_is_the_row() -> None:
    visits = pl.DataFrame({"customer": ["a", "b", "a", None], "back": [True, False, True, False]})
    (unit,) = units_of(visits, Visit.spec())["group"]
    assert (unit.name, unit.count) == ("customer", 3)
    assert unit.blocks is not None
    assert unit.blocks[0] == unit.blocks[2] != unit.blocks[1]
    assert units_of(visits.with_columns(customer=pl.Series(["a", "b", "c", "d"])), Visit.spec())["group"] == ()
    assert units_of(visits, Visit.spec())["row"] == (ROWS,)


def hold_out(unit: Unit, threshold_moves: float = 0.0) -> HoldOut:
    rows = pl.DataFrame({"origin": ["EWR"] * len(LABELS)})
    share = np.full(len(LABELS), LABELS.mean(), dtype=np.float32)
    noisy = np.clip(ANSWERS + RANDOM.normal(0, 0.02, len(LABELS)), 0.001, 0.999).astype(np.float32)
    rivals = {"base_rate": Rival(share, "always the mean"), "baseline": Rival(noisy, "linear")}
    tuning = (LABELS[::2], ANSWERS[::2])
    return HoldOut(LABELS, ANSWERS, ANSWERS, rivals, rows, ("origin",), unit, tuning=tuning)


def asking(threshold: float) -> Workload:
    flights = read_workload("flights")
    goal = flights.goal.model_copy(update={"threshold": threshold, "unit": None, "metric": "auc"})
    gates = flights.gates.model_copy(update={"costs": None})
    return flights.model_copy(update={"goal": goal, "gates": gates})


def test_a_goal_that_single_rows_would_pass_is_undecided_over_whole_days() -> None:
    by = {
        unit.name: evaluate_candidate(hold_out(unit), asking(0.6), model="m", resamples=300).find("auc")
        for unit in (ROWS, BY_DAY)
    }
    assert by["row"] is not None
    assert by["day"] is not None
    assert by["day"].units == DAYS
    assert by["row"].units is None
    # Between what rows promise and what days do.
    limit = (by["row"].bound("below") + by["day"].bound("below")) / 2
    states = {
        unit.name: judge(evaluate_candidate(hold_out(unit), asking(limit), model="m", resamples=300), asking(limit))
        for unit in (ROWS, BY_DAY)
    }
    assert [states[name].verdicts[0].state for name in ("row", "day")] == ["passed", "undecided"]
    assert "31 days cannot tell" in states["day"].verdicts[0].reason
    assert "days would pass" in states["day"].verdicts[0].would_pass


def test_every_interval_of_the_evidence_is_drawn_by_the_unit() -> None:
    evidence = evaluate_candidate(hold_out(BY_DAY), asking(0.5), model="m", resamples=50)
    drawn = {measure.name: measure.by for measure in evidence.measures if measure.low is not None}
    assert set(drawn.values()) == {"day"}, drawn
    assert {"auc", "calibration_error", "recall_yes", "gain_over_baseline", "brier_over_baseline"} <= set(drawn)


def test_a_unit_that_the_contract_does_not_have_is_refused(tmp_path: Path) -> None:
    document = read_workload("flights").model_dump(mode="json", exclude_none=True)
    document["goal"]["unit"] = "group"
    with pytest.raises(WorkloadError, match=r"'goal.unit': group needs a field with role 'group', and Flight has none"):
        contract_of(parse_workload(document, where="f.yaml"))
    assert Flight.spec().with_role("time")


def test_the_best_f1_threshold_is_the_best_of_all() -> None:
    best = best_f1_threshold(LABELS, ANSWERS)

    def f1(threshold: float) -> float:
        said = threshold <= ANSWERS
        return float(2 * (said & LABELS).sum() / (said.sum() + LABELS.sum()))

    assert f1(best) >= max(f1(float(one)) for one in np.unique(ANSWERS)[::50])
