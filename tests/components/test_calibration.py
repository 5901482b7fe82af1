"""Calibration repairs what it can, keeps the order, and leaves good answers alone."""

import numpy as np
import pytest
from scipy.special import expit, logit

from components.calibration import Method, choose_calibration, fit_calibration
from components.metrics import expected_calibration_error, score

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.beta(2, 5, 20_000)
LABELS = RANDOM.random(20_000) < TRUTH
OVERCONFIDENT = expit(2.5 * logit(TRUTH) + 0.4)


@pytest.mark.parametrize("method", ["scale", "isotonic"])
def test_overconfident_answers_are_repaired_on_rows_that_were_not_fitted(method: Method) -> None:
    calibration = fit_calibration(LABELS[:10_000], OVERCONFIDENT[:10_000], method)
    held = calibration.apply(OVERCONFIDENT[10_000:])
    assert expected_calibration_error(LABELS[10_000:], OVERCONFIDENT[10_000:]) > 0.1
    assert expected_calibration_error(LABELS[10_000:], held) < 0.025


def test_a_pure_temperature_is_found_again() -> None:
    calibration = fit_calibration(LABELS, expit(2.0 * logit(TRUTH)), "temperature")
    assert calibration.slope == pytest.approx(0.5, abs=0.03)
    assert calibration.offset == 0


@pytest.mark.parametrize("method", ["temperature", "scale"])
def test_a_smooth_calibration_keeps_every_ranking(method: Method) -> None:
    calibration = fit_calibration(LABELS, OVERCONFIDENT, method)
    assert score("auc", LABELS, calibration.apply(OVERCONFIDENT)) == pytest.approx(score("auc", LABELS, OVERCONFIDENT))


def test_answers_that_are_right_are_left_alone_and_wrong_ones_are_not() -> None:
    chosen, losses = choose_calibration(LABELS, TRUTH, seed=1)
    assert chosen.method == "none"
    assert set(losses) == {"none", "temperature", "scale"}
    assert choose_calibration(LABELS, OVERCONFIDENT, seed=1)[0].method == "scale"


def test_isotonic_has_few_knots_and_is_chosen_only_when_asked_for() -> None:
    assert 2 <= len(fit_calibration(LABELS, OVERCONFIDENT, "isotonic").knots) <= 64
    stepped = np.where(TRUTH > 0.3, 0.9, 0.1) + 0.01 * TRUTH
    asked = choose_calibration(LABELS, stepped, seed=1, methods=("scale", "isotonic"))[0]
    assert asked.method == "isotonic"
    assert choose_calibration(LABELS, stepped, seed=1)[0].method == "scale"
