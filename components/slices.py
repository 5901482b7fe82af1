"""Where the model is good and where it is not: the slices that the contract declares, each with size and interval."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.evidence import Measure
from components.hold_out import HoldOut, Rival
from components.metrics import HIGHER_IS_BETTER, replicates, score, statistic, summarise

SOURCE = "evaluation"
# Fewer rows of a class than this say nothing about the slice, and their bootstrap interval is not one.
MIN_PER_CLASS = 20
MAX_VALUES = 40


def goal_measures(
    metric: str, hold_out: HoldOut, *, slice: str | None, rows: NDArray[np.bool_] | None, seed: int, resamples: int
) -> list[Measure]:
    """Return the metric and the gain over every rival on some rows, all from the same draws."""
    keep = np.ones(len(hold_out.labels), dtype=bool) if rows is None else rows
    labels, graph = hold_out.labels[keep], hold_out.graph[keep]
    rivals = {name: Rival(rival.answers[keep], rival.detail) for name, rival in hold_out.rivals.items()}
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    statistics = [statistic(metric, labels, answers) for answers in (graph, *(r.answers for r in rivals.values()))]
    drawn = replicates(statistics, len(labels), resamples, seed)
    reached = score(metric, labels, graph)
    own = summarise(reached, drawn[0], len(labels), 0.95)
    made = [Measure.of(metric, own, source=SOURCE, slice=slice)]
    for place, (name, rival) in enumerate(rivals.items(), start=1):
        value = sign * (reached - score(metric, labels, rival.answers))
        gain = summarise(value, sign * (drawn[0] - drawn[place]), len(labels), 0.95)
        made.append(Measure.of(f"gain_over_{name}", gain, source=SOURCE, slice=slice, unit=metric, detail=rival.detail))
    return made


def slice_measures(metric: str, hold_out: HoldOut, *, seed: int, resamples: int) -> tuple[list[Measure], list[str]]:
    """Return the measures of every declared slice, and the names of those too small to be measured."""
    made: list[Measure] = []
    small: list[str] = []
    for field in hold_out.slices:
        for value, rows in values_of(hold_out.rows[field]).items():
            name = f"{field}={value}"
            if not measurable(hold_out.labels[rows]):
                small.append(name)
                continue
            made += goal_measures(metric, hold_out, slice=name, rows=rows, seed=seed, resamples=resamples)
    return made, small


def values_of(column: pl.Series) -> dict[str, NDArray[np.bool_]]:
    """Return which rows hold each value, most frequent first; numbers with many values are cut into quarters."""
    if column.dtype.is_numeric() and column.n_unique() > MAX_VALUES:
        column = column.qcut(4, allow_duplicates=True).cast(pl.String)
    counts = column.drop_nulls().value_counts(sort=True).head(MAX_VALUES)
    return {str(value): (column == value).fill_null(False).to_numpy() for value in counts[column.name]}


def measurable(labels: NDArray[np.bool_]) -> bool:
    """Say whether each class has enough rows for an interval."""
    return min(int(labels.sum()), int((~labels).sum())) >= MIN_PER_CLASS
