"""How good answers are, and how sure that is: scores, bootstrap intervals, paired differences, calibration error.

Points come from scikit-learn; intervals resample rows (or whole blocks of rows) and reweigh scores that were sorted
once, which is why 28,000 rows x 1,000 resamples x four metrics take about two seconds on one core.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

Numbers = NDArray[np.float64]
# How often each row was drawn, shape [rows] -> the score of that resample.
Statistic = Callable[[Numbers], float]

HIGHER_IS_BETTER = {"auc": True, "pr_auc": True, "log_loss": False, "brier": False}
RANKED = frozenset({"auc", "pr_auc"})
# A probability of exactly 0 or 1 would make the log-loss infinite; float32 answers cannot resolve less than this.
TINY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Interval:
    """A value, the ends of its two-sided interval, and the rows it was measured on."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95


def score(metric: str, labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Return a metric of probabilities of yes; ValueError for an unknown metric or labels of a single class."""
    truth, answers = _checked(metric, labels, probabilities)
    if metric == "auc":
        return float(roc_auc_score(truth, answers))
    if metric == "pr_auc":
        return float(average_precision_score(truth, answers))
    if metric == "log_loss":
        return float(log_loss(truth, np.clip(answers, TINY, 1 - TINY), labels=[0, 1]))
    return float(brier_score_loss(truth, answers))


def interval(
    metric: str,
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
    blocks: NDArray[Any] | None = None,
) -> Interval:
    """Return a metric with its percentile bootstrap interval (Efron & Tibshirani 1993, ch. 13)."""
    drawn = replicates([statistic(metric, labels, probabilities)], len(labels), resamples, seed, blocks)
    return summarise(score(metric, labels, probabilities), drawn[0], len(labels), level)


def paired_difference(
    metric: str,
    labels: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
    blocks: NDArray[Any] | None = None,
) -> Interval:
    """Return score(first) - score(second); every resample draws the same rows for both."""
    both = [statistic(metric, labels, first), statistic(metric, labels, second)]
    drawn = replicates(both, len(labels), resamples, seed, blocks)
    value = score(metric, labels, first) - score(metric, labels, second)
    return summarise(value, drawn[0] - drawn[1], len(labels), level)


def summarise(value: float, drawn: Numbers, n: int, level: float) -> Interval:
    """Return the percentile interval of bootstrap replicates; those without a score (one class only) are left out."""
    tails = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(tails[0]), float(tails[1]), n, level)


def replicates(
    statistics: Sequence[Statistic], rows: int, resamples: int, seed: int, blocks: NDArray[Any] | None = None
) -> Numbers:
    """Return scores [statistics, resamples]; all statistics see the same draw, so differences are paired.

    With ``blocks`` (one label a row, e.g. the day) whole blocks are drawn: rows of a block are not independent.
    """
    random = np.random.default_rng(seed)
    scores = np.empty((len(statistics), resamples))
    codes = None if blocks is None else np.unique(blocks, return_inverse=True)[1]
    units = rows if codes is None else int(codes.max()) + 1
    for resample in range(resamples):
        counts = np.bincount(random.integers(units, size=units), minlength=units).astype(np.float64)
        weights = counts if codes is None else counts[codes]
        for place, compute in enumerate(statistics):
            scores[place, resample] = compute(weights)
    return scores


def statistic(metric: str, labels: NDArray[Any], probabilities: NDArray[Any]) -> Statistic:
    """Return the metric as a function of row weights; what does not depend on them is computed once."""
    truth, answers = _checked(metric, labels, probabilities)
    if metric in RANKED:
        return _ranked(metric, truth, answers)
    if metric == "brier":
        losses = (answers - truth) ** 2
    else:
        kept = np.clip(answers, TINY, 1 - TINY)
        losses = -(truth * np.log(kept) + (1 - truth) * np.log1p(-kept))
    return lambda weights: _dot(weights, losses) / float(weights.sum())


def _dot(first: Numbers, second: Numbers) -> float:
    # BLAS would wake a thread a core for 28,000 numbers, a thousand times: slower, and it starves the neighbours.
    return float((first * second).sum())


def _ranked(metric: str, truth: Numbers, answers: Numbers) -> Statistic:
    order = np.argsort(-answers, kind="stable")
    ranked_truth, ranked_answers = truth[order], answers[order]
    yes = np.flatnonzero(ranked_truth)
    # Rows that tie are above or below a threshold together: each yes looks at both ends of its group of ties.
    starts = np.searchsorted(-ranked_answers, -ranked_answers[yes], side="left")
    ends = np.searchsorted(-ranked_answers, -ranked_answers[yes], side="right")
    no = 1 - ranked_truth

    def compute(weights: Numbers) -> float:
        drawn = np.take(weights, order)
        hits = np.take(drawn, yes)
        positives = hits.sum()
        misses = np.concatenate(([0.0], np.cumsum(drawn * no)))
        if positives == 0 or misses[-1] == 0:
            return float("nan")
        if metric == "auc":
            above = (misses[starts] + misses[ends]) / 2
            return 1 - _dot(hits, above) / float(positives * misses[-1])
        found = np.concatenate(([0.0], np.cumsum(drawn * ranked_truth)))[ends]
        return _dot(hits, found / np.maximum(found + misses[ends], 1.0)) / float(positives)

    return compute


def expected_calibration_error(labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 15) -> float:
    """Return the ECE over bins of equal size: rows x |mean answer - observed rate| (Guo et al. 2017, eq. 3)."""
    table = calibration_bins(labels, probabilities, bins)
    rows = np.array([row["n"] for row in table], dtype=np.float64)
    gaps = np.array([abs(row["mean"] - row["rate"]) for row in table])
    return float(rows @ gaps / rows.sum())


def calibration_bins(labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 15) -> list[dict[str, float]]:
    """Return mean answer and observed rate in bins of equal size, lowest answers first."""
    truth, answers = _checked("brier", labels, probabilities)
    order = np.argsort(answers, kind="stable")
    return [
        {"n": len(part), "mean": float(answers[part].mean()), "rate": float(truth[part].mean())}
        for part in np.array_split(order, min(bins, len(order)))
    ]


def _checked(metric: str, labels: NDArray[Any], probabilities: NDArray[Any]) -> tuple[Numbers, Numbers]:
    if metric not in HIGHER_IS_BETTER:
        raise ValueError(f"unknown metric '{metric}'; known: {', '.join(HIGHER_IS_BETTER)}")
    truth, answers = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if truth.shape != answers.shape or truth.ndim != 1:
        raise ValueError(f"{metric}: labels {truth.shape} and answers {answers.shape} must be one number a row")
    if not np.isfinite(answers).all():
        raise ValueError(f"{metric}: {(~np.isfinite(answers)).sum()} of {len(answers)} answers are not finite")
    if metric in RANKED and (truth.min() == truth.max()):
        raise ValueError(f"{metric} needs both classes; all {len(truth)} labels are {truth[0]:g}")
    return truth, answers
