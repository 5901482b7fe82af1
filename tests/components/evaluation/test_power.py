"""What the gates promise about themselves is simulated: false promotions, stated power, Holm's family-wise error."""

import numpy as np
import pytest

from benchmarks.gates import (
    bare_promotions,
    broken_slices,
    gain,
    judged,
    most_by_chance,
    promotions,
    simulated,
    true_loss,
)
from components.declaration.loading import read_workload
from components.declaration.workload import Workload
from components.evaluation.evaluate import RESAMPLES
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.metrics import Interval
from components.evaluation.power import holm, luck_of_the_best
from components.gates.judge import decide
from components.gates.rule import Rule


@pytest.mark.slow
def test_a_challenger_worse_by_the_margin_is_promoted_in_at_most_5_percent() -> None:
    share = simulated(promotions, 500, 0.55, true_loss(0.55), resamples=RESAMPLES, tries=1500, seed=1)
    assert share.stated == pytest.approx(0.05, abs=1e-9)
    # A gate of exactly 5 % stays below this in 99 of 100 such simulations: 6.3 %.
    assert share.measured <= most_by_chance(share.tries)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "noise", "margin"), [(500, 0.425, 0.02), (2000, 0.3, 0.005), (2000, 0.425, 0.015)])
def test_the_stated_power_is_within_three_points_of_the_measured(rows: int, noise: float, margin: float) -> None:
    share = simulated(promotions, rows, noise, margin, resamples=200, tries=1500, seed=rows)
    assert share.measured == pytest.approx(share.stated, abs=0.03)


@pytest.mark.slow
def test_the_stated_power_over_fourteen_slices_is_within_three_points_of_the_measured() -> None:
    share = simulated(broken_slices, 600, 1.4, 0.005, resamples=200, tries=500, seed=4)
    # Stated for a test of one slice it would be 90 %.
    assert share.measured == pytest.approx(share.stated, abs=0.03)
    assert 0.5 < share.stated < 0.75


def test_the_power_stated_for_slices_is_that_of_holms_first_step_and_the_rows_are_named() -> None:
    # Standard error 0.01 on 300 rows each; 0.05 / 14 asks for 2.690 standard errors, 80 % of cases for 0.842 more.
    found = [gain(Interval(0.0, -0.0196, 0.0196, 300), f"place={place}") for place in range(14)]
    verdict = judged(found, 0.02, family=True)
    assert verdict.state == "passed"
    assert verdict.detectable == pytest.approx(0.0353, abs=1e-4)
    assert verdict.rows_needed == pytest.approx(300 * (0.0353 / 0.02) ** 2, rel=0.01)
    assert "each of 14 slices must be proven at 0.0036" in verdict.power
    assert "is found in 80 % of cases if it is 0.03532 beyond the limit" in verdict.power
    assert f"0.02 beyond it, in 25%, and in 80 % on {verdict.rows_needed} rows of it" in verdict.power
    # The figure keeps what it says: of a slice that far beyond the limit the p-value is small enough in 80 % of draws.
    values = np.random.default_rng(0).normal(-0.02 - 0.0353, 0.01, 4000)
    refused = [judged([measure_of(value), *found[1:]], 0.02, family=True).state == "failed" for value in values]
    assert np.mean(refused) == pytest.approx(0.8, abs=0.03)


def measure_of(value: float) -> Measure:
    return gain(Interval(value, value - 0.0196, value + 0.0196, 300), "place=0")


def test_a_worse_model_passes_a_bare_comparison_often_and_this_gate_seldom() -> None:
    bare, gated = (
        simulated(run, 500, 0.55, margin, resamples=200, tries=200, seed=3)
        for run, margin in ((bare_promotions, 0.0), (promotions, 0.005))
    )
    assert bare.measured > 0.1
    assert gated.measured <= 0.05


def test_holm_keeps_the_family_wise_error_and_finds_more_than_bonferroni() -> None:
    random = np.random.default_rng(0)
    wrong = np.mean([any(holm(list(random.random(20)), 0.05)) for _ in range(4000)])
    assert 0.035 < wrong < 0.06
    # Bonferroni's limit is 0.0125 for each of four; Holm's third is 0.025.
    assert holm([0.04, 0.001, 0.02, 0.01], 0.05) == [True, True, True, True]
    assert holm([0.5, 0.001, 0.03, 0.01], 0.05) == [False, True, False, True]


def test_the_luck_of_the_best_is_the_mean_of_the_largest_of_that_many_normals() -> None:
    largest = np.random.default_rng(0).normal(size=(20_000, 10)).max(axis=1).mean()
    assert luck_of_the_best(10) == pytest.approx(largest, abs=0.02)


def test_flights_gates_state_how_an_equal_model_would_fare() -> None:
    workload: Workload = read_workload("flights")
    measure = Measure(name="gain_over_champion", value=0.0, low=-0.01, high=0.01, n=5000, source="test")
    rule = Rule(
        gate="champion",
        measure="gain_over_champion",
        direction="at_least",
        threshold=0,
        margin=workload.gates.champion_margin,
        subject="gain",
    )
    verdict = decide(rule, Evidence(workload="w", model="m", split="test", measures=(measure,)))
    # The standard error is 0.0051, so a margin of 0.005 is passed by an equal model in Phi(0.98 - 1.645) = 25 %.
    assert "an equal model would pass with 25%, with 80 % on 32,189 rows" in verdict.power
