"""Scores agree with scikit-learn, intervals cover, pairs are pairs."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from components.declaration.metrics import metric_of, metrics_for
from components.evaluation.evidence import Measure
from components.evaluation.metrics import (
    calibration_bins,
    calibration_statistic,
    distance_from_chance,
    expected_calibration_error,
    interval,
    paired_difference,
    score,
    statistic,
)
from components.evaluation.units import Unit


def answers(rows: int, seed: int = 0, digits: int | None = None) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return calibrated answers with their labels; ``digits`` rounds, so that many rows tie."""
    random = np.random.default_rng(seed)
    probabilities = random.beta(1, 3, rows)
    labels = random.random(rows) < probabilities
    return labels, probabilities if digits is None else probabilities.round(digits)


@pytest.mark.parametrize("digits", [None, 2, 1])
@pytest.mark.parametrize("metric", metrics_for("binary", "tabular"))
def test_a_reweighed_score_equals_scikit_learn_on_the_drawn_rows(metric: str, digits: int | None) -> None:
    labels, probabilities = answers(500, digits=digits)
    drawn = np.random.default_rng(1).integers(500, size=500)
    weights = np.bincount(drawn, minlength=500).astype(np.float64)
    expected = score(metric, labels[drawn], probabilities[drawn])
    assert statistic(metric, labels, probabilities)(weights) == pytest.approx(expected, abs=1e-12)


def test_scores_are_those_of_scikit_learn() -> None:
    labels, probabilities = answers(1000)
    assert score("auc", labels, probabilities) == roc_auc_score(labels, probabilities)
    assert score("pr_auc", labels, probabilities) == average_precision_score(labels, probabilities)
    assert score("log_loss", labels, probabilities) == pytest.approx(log_loss(labels, probabilities))
    assert score("brier", labels, probabilities) == pytest.approx(brier_score_loss(labels, probabilities))


def several_classes(rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels of four classes, the last one rare, and probabilities that know something of them."""
    random = np.random.default_rng(2)
    labels = random.choice(4, rows, p=[0.5, 0.3, 0.19, 0.01])
    logits = 1.5 * np.eye(4)[labels] + random.normal(size=(rows, 4))
    return labels, softmax(logits, axis=1)


def numbers(rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(3)
    truth = random.normal(10, 3, rows)
    return truth, truth + random.normal(0, 2, rows)


@pytest.mark.parametrize("metric", [*metrics_for("multiclass", "tabular"), *metrics_for("regression", "tabular")])
def test_reweighed_scores_of_other_targets_are_those_of_the_drawn_rows(metric: str) -> None:
    labels, given = several_classes(400) if metric_of(metric).target == "multiclass" else numbers(400)
    drawn = np.random.default_rng(1).integers(400, size=400)
    weights = np.bincount(drawn, minlength=400).astype(np.float64)
    assert statistic(metric, labels, given)(weights) == pytest.approx(score(metric, labels[drawn], given[drawn]))
    found = interval(metric, labels, given, resamples=200, seed=1)
    assert found.low < found.value < found.high


def test_scores_of_other_targets_are_those_of_scikit_learn() -> None:
    labels, given = several_classes(500)
    assert score("macro_f1", labels, given) == f1_score(labels, given.argmax(axis=1), average="macro")
    assert score("accuracy", labels, given) == accuracy_score(labels, given.argmax(axis=1))
    assert score("cross_entropy", labels, given) == pytest.approx(log_loss(labels, given))
    truth, guessed = numbers(500)
    assert score("rmse", truth, guessed) == pytest.approx(root_mean_squared_error(truth, guessed))
    assert score("mae", truth, guessed) == pytest.approx(mean_absolute_error(truth, guessed))
    assert score("r2", truth, guessed) == r2_score(truth, guessed)


def test_coverage_of_quantiles_is_the_share_of_rows_between_the_outermost() -> None:
    truth, guessed = numbers(4000)
    bands = guessed[:, None] + 2 * norm.ppf([0.05, 0.5, 0.95])
    assert score("coverage", truth, bands) == pytest.approx(0.9, abs=0.02)
    assert score("width", truth, bands) == pytest.approx(4 * norm.ppf(0.95))


def test_a_certain_wrong_answer_costs_much_but_not_infinitely_much() -> None:
    assert 7 < score("log_loss", np.array([True, False]), np.array([0.0, 0.0])) < 9


@pytest.mark.parametrize(
    ("labels", "probabilities", "said"),
    [
        ([True, True], [0.2, 0.3], "needs both classes"),
        ([True, False], [0.2, float("nan")], "not finite"),
        ([True, False], [0.2, 0.3, 0.4], "one number a row"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_reason(
    labels: list[bool], probabilities: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        score("auc", np.array(labels), np.array(probabilities))


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = score("brier", *answers(2_000_000, seed=999))
    found = [interval("brier", *answers(400, seed=seed), resamples=200, level=0.9, seed=seed) for seed in range(200)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    # 200 tries at 0.9: four standard errors are 0.085.
    assert 0.815 <= covered <= 0.985


def test_blocks_of_alike_rows_widen_the_interval() -> None:
    random = np.random.default_rng(3)
    days = np.repeat(np.arange(40), 50)
    shared = random.normal(0, 1, 40)[days]
    labels = random.random(2000) < 1 / (1 + np.exp(1 - shared))
    probabilities = np.full(2000, labels.mean())
    rows = interval("brier", labels, probabilities, seed=1)
    blocked = interval("brier", labels, probabilities, seed=1, unit=Unit("day", days))
    assert blocked.value == rows.value
    assert blocked.high - blocked.low > 2 * (rows.high - rows.low)


def test_a_paired_difference_is_much_surer_than_two_intervals() -> None:
    labels, probabilities = answers(2000)
    shaken = np.clip(probabilities + np.random.default_rng(5).normal(0, 0.01, 2000), 0, 1)
    alone = interval("auc", labels, probabilities, seed=2)
    pair = paired_difference("auc", labels, probabilities, shaken, seed=2)
    assert pair.high - pair.low < (alone.high - alone.low) / 5
    same = paired_difference("auc", labels, probabilities, probabilities, seed=2)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not() -> None:
    labels, probabilities = answers(300)
    assert interval("auc", labels, probabilities, seed=1) == interval("auc", labels, probabilities, seed=1)
    assert interval("auc", labels, probabilities, seed=1) != interval("auc", labels, probabilities, seed=2)


def test_calibrated_answers_have_a_small_error_and_doubled_ones_a_large_one() -> None:
    labels, probabilities = answers(20_000)
    assert expected_calibration_error(labels, probabilities) < 0.02
    assert expected_calibration_error(labels, np.minimum(probabilities * 2, 1)) > 0.15
    assert sum(row["n"] for row in calibration_bins(labels, probabilities)) == 20_000


def test_reweighing_is_much_faster_than_scoring_every_draw_with_scikit_learn() -> None:
    labels, probabilities = answers(28_000)
    compute = statistic("auc", labels, probabilities)
    draws = np.random.default_rng(0).integers(28_000, size=(20, 28_000))

    def seconds(task: Callable[[NDArray[np.int64]], float]) -> float:
        began = time.thread_time()
        for draw in draws:
            task(draw)
        return time.thread_time() - began

    reweighed = seconds(lambda draw: compute(np.bincount(draw, minlength=28_000).astype(np.float64)))
    scored = seconds(lambda draw: float(roc_auc_score(labels[draw], probabilities[draw])))
    assert reweighed * 5 < scored


def test_what_chance_adds_to_a_calibration_error_is_taken_off() -> None:
    random = np.random.default_rng(4)
    stands, corrected, passed, tries = [], [], 0, 200
    for _ in range(tries):
        given = random.random(2_000)
        # Half of the answers are 0.1 too low, the others right: an error of 0.05, just at the limit.
        labels = random.random(2_000) < np.where(given < 0.5, given + 0.1, given)
        seed = int(random.integers(2**31))
        found, _ = distance_from_chance([calibration_statistic(labels, given)], 2_000, 100, seed)
        stands.append(expected_calibration_error(labels, given))
        corrected.append(found.value)
        passed += Measure.of("calibration_error", found, source="test").bound("above") <= 0.05
        assert 0 <= found.low <= found.value <= found.high
    assert 0.05 < np.mean(corrected) < np.mean(stands) - 0.004
    assert passed / tries <= 0.05


def test_the_error_of_right_answers_is_mostly_chance_and_the_worst_class_is_the_one_named() -> None:
    random = np.random.default_rng(5)
    given = random.random(1_000)
    right, wrong = random.random(1_000) < given, random.random(1_000) < given**3
    statistics = [calibration_statistic(labels, given) for labels in (right, wrong)]
    alone, _ = distance_from_chance(statistics[:1], 1_000, 200, seed=1)
    assert alone.value < 0.8 * expected_calibration_error(right, given)
    both, worst = distance_from_chance(statistics, 1_000, 200, seed=1)
    assert worst == 1
    assert both.low < both.value < both.high
    assert both.value == pytest.approx(expected_calibration_error(wrong, given), abs=0.02)
