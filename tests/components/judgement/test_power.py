"""What the gates promise about themselves is simulated: false promotions, stated power, Holm's family-wise error."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from components.declaration import Workload, read_workload
from components.judgement.evidence import Evidence, Measure
from components.judgement.gates import decide
from components.judgement.metrics import Interval, paired_difference
from components.judgement.policy import Rule
from components.judgement.power import chance_to_pass, holm, luck_of_the_best

Pair = tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]


def drawn_pair(rows: int, noise: float, random: np.random.Generator) -> Pair:
    """Return labels, champion's and challenger's scores; ``noise`` makes the challenger worse."""
    labels = random.random(rows) < 0.3
    champion = labels + random.normal(0, 1.2, rows)
    own = random.normal(0, 0.3, rows)
    return labels, champion + random.normal(0, 0.3, rows), champion + own + random.normal(0, noise, rows)


def true_loss(noise: float) -> float:
    """Return by how much the challenger's AUC is worse: normal scores, so Phi of the separation in standard units."""
    spread = 1.2**2 + 0.3**2
    return float(norm.cdf(1 / np.sqrt(2 * spread)) - norm.cdf(1 / np.sqrt(2 * (spread + noise**2))))


def judged(difference: Interval, margin: float) -> str:
    measure = Measure.of("gain_over_champion", difference, source="simulation")
    rule = Rule(
        gate="champion",
        measure="gain_over_champion",
        direction="at_least",
        threshold=0,
        margin=margin,
        subject="gain in auc over the champion",
    )
    return decide(rule, Evidence(workload="w", model="m", split="test", measures=(measure,))).state


def simulated(rows: int, noise: float, margin: float, tries: int, seed: int) -> tuple[float, float]:
    """Return the measured share of promotions and the share that the standard errors predict."""
    random = np.random.default_rng(seed)
    loss, passed, stated = true_loss(noise), 0, 0.0
    for _ in range(tries):
        labels, champion, challenger = drawn_pair(rows, noise, random)
        found = paired_difference("auc", labels, challenger, champion, resamples=200, seed=int(random.integers(2**31)))
        error = Measure.of("gain", found, source="simulation").standard_error()
        passed += judged(found, margin) == "passed"
        stated += chance_to_pass(margin - loss, error)
    return passed / tries, stated / tries


@pytest.mark.slow
def test_a_challenger_worse_by_the_margin_is_promoted_in_at_most_5_percent() -> None:
    noise = 0.46
    measured, stated = simulated(rows=500, noise=noise, margin=true_loss(noise), tries=2000, seed=1)
    # Two standard errors of 2,000 tries at 5 % are one point.
    assert measured <= 0.06
    assert stated == pytest.approx(0.05, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "noise", "margin"), [(500, 0.3, 0.02), (2000, 0.0, 0.005), (2000, 0.3, 0.015)])
def test_the_stated_power_is_within_three_points_of_the_measured(rows: int, noise: float, margin: float) -> None:
    measured, stated = simulated(rows, noise, margin, tries=1500, seed=rows)
    assert measured == pytest.approx(stated, abs=0.03)


def test_a_worse_model_passes_a_bare_comparison_often_and_this_gate_seldom() -> None:
    random = np.random.default_rng(3)
    bare, gated, tries = 0, 0, 150
    for _ in range(tries):
        labels, champion, challenger = drawn_pair(500, 0.46, random)
        found = paired_difference("auc", labels, challenger, champion, resamples=200, seed=1)
        bare += found.value >= 0
        gated += judged(found, 0.005) == "passed"
    assert bare / tries > 0.1
    assert gated / tries <= 0.05


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
