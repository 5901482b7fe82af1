"""Scores as functions of row weights: what does not depend on the weights is computed once, so resampling is quick.

Each function returns a Statistic: how often each row was drawn, shape [rows], in; the score of that resample out.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Statistic = Callable[[Numbers], float]


def mean_loss(losses: Numbers) -> Statistic:
    """Return the mean of a loss a row."""
    return lambda weights: _dot(weights, losses) / float(weights.sum())


def root_mean(losses: Numbers) -> Statistic:
    """Return the root of the mean of a squared loss a row."""
    return lambda weights: float(np.sqrt(_dot(weights, losses) / float(weights.sum())))


def explained_variance(truth: Numbers, answers: Numbers) -> Statistic:
    """Return R2: one minus the squared errors over those of the resample's own mean."""
    errors = (truth - answers) ** 2

    def compute(weights: Numbers) -> float:
        total = float(weights.sum())
        mean = _dot(weights, truth) / total
        spread = _dot(weights, (truth - mean) ** 2)
        return 1 - _dot(weights, errors) / spread if spread > 0 else float("nan")

    return compute


def macro_f1(truth: NDArray[np.int64], answered: NDArray[np.int64], classes: int) -> Statistic:
    """Return the mean F1 of the classes that occur in the resample, as truth or as answer."""
    cells = truth * classes + answered

    def compute(weights: Numbers) -> float:
        table = np.bincount(cells, weights=weights, minlength=classes * classes).reshape(classes, classes)
        both = table.sum(axis=0) + table.sum(axis=1)
        return float((2 * np.diag(table)[both > 0] / both[both > 0]).mean())

    return compute


def area_under_roc(truth: Numbers, answers: Numbers) -> Statistic:
    """Return the area under the ROC curve; NaN for a resample of one class."""
    ranked = _Ranked(truth, answers)

    def compute(weights: Numbers) -> float:
        hits, _, misses = ranked.counted(weights)
        found = hits.sum()
        if found == 0 or misses[-1] == 0:
            return float("nan")
        above = (misses[ranked.starts] + misses[ranked.ends]) / 2
        return 1 - _dot(hits, above) / float(found * misses[-1])

    return compute


def average_precision(truth: Numbers, answers: Numbers) -> Statistic:
    """Return the average precision (area under the precision-recall curve, by steps); NaN without a yes."""
    ranked = _Ranked(truth, answers)

    def compute(weights: Numbers) -> float:
        hits, drawn, misses = ranked.counted(weights)
        if hits.sum() == 0:
            return float("nan")
        found = np.concatenate(([0.0], np.cumsum(drawn * ranked.truth)))[ranked.ends]
        precision = found / np.maximum(found + misses[ranked.ends], 1.0)
        return _dot(hits, precision) / float(hits.sum())

    return compute


def calibration_gap(truth: Numbers, answers: Numbers, bins: int) -> Statistic:
    """Return the expected calibration error over bins of equal size; resamples keep the bins of the rows themselves."""
    order = np.argsort(answers, kind="stable")
    starts = np.cumsum([0, *(len(part) for part in np.array_split(order, min(bins, len(order))))])[:-1]
    apart = np.take(answers - truth, order)

    def compute(weights: Numbers) -> float:
        drawn = np.take(weights, order)
        return float(np.abs(np.add.reduceat(drawn * apart, starts)).sum() / drawn.sum())

    return compute


class _Ranked:
    """Rows in falling order of their answer, and for each yes both ends of its group of ties.

    Rows that tie are above or below a threshold together.
    """

    def __init__(self, truth: Numbers, answers: Numbers) -> None:
        self._order = np.argsort(-answers, kind="stable")
        self.truth = truth[self._order]
        falling = -answers[self._order]
        self._yes = np.flatnonzero(self.truth)
        self.starts = np.searchsorted(falling, falling[self._yes], side="left")
        self.ends = np.searchsorted(falling, falling[self._yes], side="right")
        self._no = 1 - self.truth

    def counted(self, weights: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return the weights of the yes rows, of all rows in order, and the running sum of the no rows."""
        drawn = np.take(weights, self._order)
        return np.take(drawn, self._yes), drawn, np.concatenate(([0.0], np.cumsum(drawn * self._no)))


def _dot(first: Numbers, second: Numbers) -> float:
    # BLAS would wake a thread a core for 28,000 numbers, a thousand times: slower, and it starves the neighbours.
    return float((first * second).sum())
