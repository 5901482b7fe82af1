"""Make probabilities mean what they say: fitted on the validation split, small enough to be folded into the graph.

    calibration = choose_calibration(labels, probabilities, seed=2013)
    answers = calibration.apply(probabilities)

As graph nodes: ``scale`` is Sigmoid(slope * logit(p) + offset); ``isotonic`` is linear interpolation between knots.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold

from components.evidence import Record
from components.metrics import TINY, score

Method = Literal["none", "temperature", "scale", "isotonic"]
Numbers = NDArray[np.float64]
MAX_KNOTS = 64


class Calibration(Record):
    """A fitted map from probability to probability; it keeps the order of the answers."""

    method: Method = "none"
    slope: float = Field(1.0, gt=0, description="On the logit; 1 / temperature.")
    offset: float = Field(0.0, description="On the logit; 0 for a pure temperature.")
    knots: tuple[float, ...] = Field((), description="Isotonic: increasing probabilities in.")
    values: tuple[float, ...] = Field((), description="Isotonic: probabilities out, one a knot.")

    def apply(self, probabilities: NDArray[Any]) -> Numbers:
        """Return calibrated probabilities, same shape."""
        answers = np.asarray(probabilities, dtype=np.float64)
        if self.method == "none":
            return answers
        if self.method == "isotonic":
            return np.interp(answers, self.knots, self.values)
        calibrated: Numbers = expit(self.slope * logit(np.clip(answers, TINY, 1 - TINY)) + self.offset)
        return calibrated


def fit_calibration(labels: NDArray[Any], probabilities: NDArray[Any], method: Method) -> Calibration:
    """Fit one method: temperature (Guo et al. 2017), scale (Platt 1999) or isotonic (Zadrozny & Elkan 2002)."""
    truth, answers = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if method == "none":
        return Calibration()
    if method == "isotonic":
        return _isotonic(truth, answers)
    logits = logit(np.clip(answers, TINY, 1 - TINY))

    def loss(parameters: Numbers) -> float:
        scaled = np.exp(parameters[0]) * logits + (parameters[1] if len(parameters) > 1 else 0.0)
        # log(1 + e^z) - y z is the log-loss in logits, without overflow.
        return float(np.mean(np.logaddexp(0, scaled) - truth * scaled))

    start = np.zeros(1 if method == "temperature" else 2)
    found = minimize(loss, start, method="BFGS").x
    return Calibration(method=method, slope=float(np.exp(found[0])), offset=float(found[1]) if len(found) > 1 else 0.0)


def choose_calibration(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    *,
    seed: int,
    folds: int = 5,
    methods: Sequence[Method] = ("none", "temperature", "scale"),
) -> tuple[Calibration, dict[str, float]]:
    """Return the method with the lowest cross-validated log-loss, fitted on all rows, and every method's log-loss.

    An earlier method wins unless a later one is better by more than noise: one standard error over the folds.
    Isotonic is asked for by name: it follows the validation split so closely that drift undoes it (flights, XGBoost,
    fitted on September: log-loss in October 0.4354 with scale, 0.4407 with isotonic, 0.4415 with none).
    """
    losses: dict[Method, list[float]] = {method: [] for method in methods}
    for fit, held in StratifiedKFold(folds, shuffle=True, random_state=seed).split(probabilities, labels):
        for method in methods:
            calibration = fit_calibration(labels[fit], probabilities[fit], method)
            losses[method].append(score("log_loss", labels[held], calibration.apply(probabilities[held])))
    best = methods[0]
    for method in methods[1:]:
        gains = np.array(losses[best]) - np.array(losses[method])
        if gains.mean() > gains.std(ddof=1) / np.sqrt(folds):
            best = method
    means = {str(method): float(np.mean(values)) for method, values in losses.items()}
    return fit_calibration(labels, probabilities, best), means


def _isotonic(truth: Numbers, answers: Numbers) -> Calibration:
    fitted = IsotonicRegression(y_min=TINY, y_max=1 - TINY, out_of_bounds="clip").fit(answers, truth)
    knots, values = fitted.X_thresholds_, fitted.y_thresholds_
    if len(knots) > MAX_KNOTS:
        keep = np.unique(np.linspace(0, len(knots) - 1, MAX_KNOTS).round().astype(int))
        knots, values = knots[keep], values[keep]
    return Calibration(method="isotonic", knots=tuple(map(float, knots)), values=tuple(map(float, values)))
