"""How good answers are, and how sure that is: scores, bootstrap intervals, paired differences, calibration error.

Points come from scikit-learn; intervals resample rows (or whole blocks of rows) and reweigh scores that were sorted
once, which is why 28,000 rows x 1,000 resamples x four metrics take about two seconds on one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artefacts.errors import WorkloadError
from components.declaration.metrics import Metric, Score, metric_of
from components.declaration.targets import Target
from components.evaluation.units import ROWS, Unit
from components.evaluation.weighted_scores import (
    Numbers,
    Statistic,
    area_under_roc,
    average_precision,
    calibration_gap,
    explained_variance,
    macro_f1,
    mean_loss,
    root_mean,
)
from components.user_code import told_of_theirs

RANKED = frozenset({"auc", "pr_auc"})
BINS, BIN_ROWS = 15, 20
# A probability of exactly 0 or 1 would make the log-loss infinite; float32 answers cannot resolve less than this.
TINY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Interval:
    """A value, the ends of its two-sided interval, the rows it was measured on, and what was drawn to make it.

    ``units`` is how many there were to draw; None for single rows.
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    by: str = "row"
    units: int | None = None


def score(metric: str, labels: NDArray[Any], answers: NDArray[Any]) -> float:
    """Return a metric; ValueError if it is unknown, cannot judge such answers, or needs classes that are not there."""
    # Two seconds to import, which reading evidence does not need.
    from sklearn import metrics as sklearn_metrics

    truth, given = _checked(metric, labels, answers)
    if metric == "auc":
        return float(sklearn_metrics.roc_auc_score(truth, given))
    if metric == "pr_auc":
        return float(sklearn_metrics.average_precision_score(truth, given))
    if metric == "macro_f1":
        return float(sklearn_metrics.f1_score(truth, given.argmax(axis=1), average="macro", zero_division=0.0))
    if metric == "r2":
        return float(sklearn_metrics.r2_score(truth, given))
    # The others are means over rows: the statistic with every row once.
    return statistic(metric, labels, answers)(np.ones(len(truth)))


def interval(
    metric: str,
    labels: NDArray[Any],
    answers: NDArray[Any],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
    unit: Unit = ROWS,
) -> Interval:
    """Return a metric with its percentile bootstrap interval (Efron & Tibshirani 1993, ch. 13)."""
    drawn = replicates([statistic(metric, labels, answers)], len(labels), resamples, seed, unit)
    return summarise(score(metric, labels, answers), drawn[0], len(labels), level, unit)


def paired_difference(
    metric: str,
    labels: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
    unit: Unit = ROWS,
) -> Interval:
    """Return score(first) - score(second); every resample draws the same rows for both."""
    both = [statistic(metric, labels, first), statistic(metric, labels, second)]
    drawn = replicates(both, len(labels), resamples, seed, unit)
    value = score(metric, labels, first) - score(metric, labels, second)
    return summarise(value, drawn[0] - drawn[1], len(labels), level, unit)


def summarise(value: float, drawn: Numbers, n: int, level: float = 0.95, unit: Unit = ROWS) -> Interval:
    """Return the percentile interval of bootstrap replicates; those without a score (one class only) are left out."""
    tails = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(tails[0]), float(tails[1]), n, level, unit.name, unit.count)


def replicates(statistics: Sequence[Statistic], rows: int, resamples: int, seed: int, unit: Unit = ROWS) -> Numbers:
    """Return scores [statistics, resamples]; all statistics see the same draw, so differences are paired.

    With a unit of blocks (e.g. the day) whole blocks are drawn: rows of a block are not independent.
    """
    random = np.random.default_rng(seed)
    scores = np.empty((len(statistics), resamples))
    codes = None if unit.blocks is None else np.unique(unit.blocks, return_inverse=True)[1]
    units = rows if codes is None else int(codes.max()) + 1
    for resample in range(resamples):
        counts = np.bincount(random.integers(units, size=units), minlength=units).astype(np.float64)
        weights = counts if codes is None else counts[codes]
        for place, compute in enumerate(statistics):
            scores[place, resample] = compute(weights)
    return scores


def statistic(metric: str, labels: NDArray[Any], answers: NDArray[Any]) -> Statistic:
    """Return the metric as a function of row weights; a kind's own is asked about the rows that were drawn."""
    truth, given = _checked(metric, labels, answers)
    known = metric_of(metric)
    if known.score is not None:
        return _asked(known, known.score, truth, given)
    if metric == "auc":
        return area_under_roc(truth, given)
    if metric == "pr_auc":
        return average_precision(truth, given)
    if metric == "macro_f1":
        return macro_f1(truth.astype(np.int64), given.argmax(axis=1).astype(np.int64), given.shape[1])
    if metric == "r2":
        return explained_variance(truth, given)
    if metric == "rmse":
        return root_mean(row_losses(metric, truth, given))
    return mean_loss(row_losses(metric, truth, given))


# What labels are to a metric of a kind's own.
_TYPES: dict[Target, type[Any]] = {"binary": np.bool_, "multiclass": np.int64}


def _asked(known: Metric, score: Score, truth: Numbers, given: Numbers) -> Statistic:
    labels = truth.astype(_TYPES.get(known.target or "regression", np.float64))
    where = f"metric {known.name} of kind {known.kind}"

    def compute(weights: Numbers) -> float:
        drawn = np.repeat(np.arange(len(labels)), weights.astype(np.int64))
        with told_of_theirs(where, WorkloadError):
            return float(score(labels[drawn], given[drawn]))

    return compute


def row_losses(metric: str, labels: NDArray[Any], answers: NDArray[Any]) -> Numbers:
    """Return what each row adds to a metric that is a mean over rows."""
    truth, given = np.asarray(labels, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    if metric == "log_loss":
        kept = np.clip(given, TINY, 1 - TINY)
        entropy: Numbers = -(truth * np.log(kept) + (1 - truth) * np.log1p(-kept))
        return entropy
    if metric == "cross_entropy":
        rows = np.arange(len(truth))
        surprise: Numbers = -np.log(np.clip(given[rows, truth.astype(np.int64)], TINY, 1.0))
        return surprise
    if metric == "accuracy":
        right: Numbers = (given.argmax(axis=1) == truth).astype(np.float64)
        return right
    if metric == "coverage":
        inside: Numbers = ((truth >= given[:, 0]) & (truth <= given[:, -1])).astype(np.float64)
        return inside
    if metric == "width":
        width: Numbers = given[:, -1] - given[:, 0]
        return width
    apart = np.abs(given - truth)
    losses: Numbers = apart if metric == "mae" else apart**2
    return losses


def expected_calibration_error(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Return the ECE over bins of equal size: rows x |mean answer - observed rate| (Guo et al. 2017, eq. 3)."""
    return calibration_statistic(labels, probabilities)(np.ones(len(labels)))


def calibration_statistic(labels: NDArray[Any], probabilities: NDArray[Any]) -> Statistic:
    """Return the ECE as a function of row weights."""
    truth, answers = _checked("brier", labels, probabilities)
    return calibration_gap(truth, answers, _bins(len(truth)))


def distance_from_chance(
    statistics: Sequence[Statistic], rows: int, resamples: int, seed: int, unit: Unit = ROWS
) -> tuple[Interval, int]:
    """Return the largest of several distances (such as an ECE) with what chance adds to it taken off, and which it is.

    The mean of absolute differences is above zero even where the truth is zero, and a resample is that much above the
    rows once more: the bootstrap's bias is taken off, from the interval's ends too (Kumar et al. 2019, app. D).
    """
    once = [compute(np.ones(rows)) for compute in statistics]
    seen, drawn = max(once), replicates(statistics, rows, resamples, seed, unit).max(axis=0)
    corrected = max(0.0, 2 * seen - float(np.mean(drawn)))
    found = summarise(corrected, drawn, rows, unit=unit)
    ends = [min(max(0.0, 2 * seen - end), 2 * seen) for end in (found.high, found.low)]
    return Interval(corrected, ends[0], ends[1], rows, by=found.by, units=found.units), once.index(seen)


def _bins(rows: int) -> int:
    # Fifteen as in the paper, if each has enough rows to have a rate.
    return max(1, min(BINS, rows // BIN_ROWS))


def calibration_bins(labels: NDArray[Any], probabilities: NDArray[Any]) -> list[dict[str, float]]:
    """Return mean answer and observed rate in bins of equal size, lowest answers first."""
    truth, answers = _checked("brier", labels, probabilities)
    order = np.argsort(answers, kind="stable")
    return [
        {"n": len(part), "mean": float(answers[part].mean()), "rate": float(truth[part].mean())}
        for part in np.array_split(order, _bins(len(order)))
    ]


def _checked(metric: str, labels: NDArray[Any], answers: NDArray[Any]) -> tuple[Numbers, Numbers]:
    target = metric_of(metric).target
    truth, given = np.asarray(labels, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    columns = 2 if target in ("multiclass", "quantiles") else 1
    if truth.ndim != 1 or given.ndim != columns or len(given) != len(truth):
        shape = "one row of answers a label" if columns == 2 else "one number a row"
        raise ValueError(f"{metric}: labels {truth.shape} and answers {given.shape} must be {shape}")
    if not np.isfinite(given).all():
        raise ValueError(f"{metric}: {(~np.isfinite(given)).sum()} of {given.size} answers are not finite")
    if metric in RANKED and (truth.min() == truth.max()):
        raise ValueError(f"{metric} needs both classes; all {len(truth)} labels are {truth[0]:g}")
    return truth, given
