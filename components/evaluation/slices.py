"""Where the model is good and where it is not: the slices that the contract declares, each with size and interval."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.declaration.metrics import metric_of, sign_of
from components.evaluation.evidence import Measure
from components.evaluation.hold_out import HoldOut, Rival
from components.evaluation.metrics import replicates, row_losses, score, statistic, summarise
from components.evaluation.normal import norm
from components.evaluation.power import holm

SOURCE = "evaluation"
# Fewer rows of a class than this say nothing about the slice, and their bootstrap interval is not one.
MIN_PER_CLASS = 20
MAX_VALUES = 40
MISSING = "(missing)"
# A column may be called "count", as Polars calls what it counts.
ROWS = "slipway:rows"
# What some rows reach and how far below the rest that is; None for too few rows.
Weakness = Callable[[NDArray[np.bool_]], dict[str, Any] | None]


def goal_measures(
    metric: str, hold_out: HoldOut, *, slice: str | None, rows: NDArray[np.bool_] | None, seed: int, resamples: int
) -> list[Measure]:
    """Return the metric and the gain over every rival on some rows, all from the same draws."""
    keep = np.ones(len(hold_out.labels), dtype=bool) if rows is None else rows
    labels, graph = hold_out.labels[keep], hold_out.graph[keep]
    rivals = {name: Rival(rival.answers[keep], rival.detail) for name, rival in hold_out.rivals.items()}
    sign = sign_of(metric)
    statistics = [statistic(metric, labels, answers) for answers in (graph, *(r.answers for r in rivals.values()))]
    unit = hold_out.unit.of(keep)
    drawn = replicates(statistics, len(labels), resamples, seed, unit)
    reached = score(metric, labels, graph)
    own = summarise(reached, drawn[0], len(labels), unit=unit)
    made = [Measure.of(metric, own, source=SOURCE, slice=slice)]
    for place, (name, rival) in enumerate(rivals.items(), start=1):
        value = sign * (reached - score(metric, labels, rival.answers))
        gain = summarise(value, sign * (drawn[0] - drawn[place]), len(labels), unit=unit)
        made.append(Measure.of(f"gain_over_{name}", gain, source=SOURCE, slice=slice, unit=metric, detail=rival.detail))
    return made


def slice_measures(metric: str, hold_out: HoldOut, *, seed: int, resamples: int) -> tuple[list[Measure], list[str]]:
    """Return the measures of every declared slice, and what of them is not measured, with its rows."""
    made: list[Measure] = []
    unmeasured: list[str] = []
    for field in hold_out.slices:
        for value, rows in values_of(hold_out.rows[field]).items():
            name = f"{field}={value}"
            if not measurable(hold_out.labels[rows]):
                unmeasured.append(f"{name} ({int(rows.sum()):,} rows)")
                continue
            made += goal_measures(metric, hold_out, slice=name, rows=rows, seed=seed, resamples=resamples)
        unmeasured += [f"{field}: {rest}" for rest in _beyond(hold_out.rows[field])]
    return made, unmeasured


def values_of(column: pl.Series) -> dict[str, NDArray[np.bool_]]:
    """Return which rows hold each value, most frequent first and missing last; many numbers are cut into quarters."""
    missing = column.is_null()
    if column.dtype.is_float():
        missing |= column.is_nan().fill_null(False)
    if _is_cut(column):
        parts = _quarters(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    else:
        counts = column.filter(~missing).value_counts(sort=True, name=ROWS).head(MAX_VALUES)
        parts = {str(value): (column == value).fill_null(False).to_numpy() for value in counts[column.name].to_list()}
    return parts | ({MISSING: missing.to_numpy()} if missing.any() else {})


def _is_cut(column: pl.Series) -> bool:
    return column.dtype.is_numeric() and column.n_unique() > MAX_VALUES


def _beyond(column: pl.Series) -> list[str]:
    """Say what ``values_of`` leaves out of a column with more values than it takes; nothing if it takes them all."""
    rest: list[int] = column.drop_nulls().value_counts(sort=True, name=ROWS)[ROWS][MAX_VALUES:].to_list()
    if _is_cut(column) or not rest:
        return []
    return [
        f"{len(rest):,} values beyond the {MAX_VALUES} most frequent "
        f"({sum(rest):,} rows, at most {max(rest):,} of one value)"
    ]


def moments_of(column: pl.Series) -> dict[str, pl.Series]:
    """Return the parts of moments in which a model may be weak: the hour and the day of the week, by name."""
    parts: dict[str, pl.Series] = {}
    if column.dtype in (pl.Datetime, pl.Time):
        parts[f"hour of {column.name}"] = column.dt.hour()
    if column.dtype in (pl.Datetime, pl.Date):
        parts[f"weekday of {column.name}"] = column.dt.to_string("%A")
    return parts


def _quarters(numbers: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    edges = np.unique(np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
    parts = {}
    for low, high in itertools.pairwise(edges):
        upper = numbers <= high if high == edges[-1] else numbers < high
        parts[f"{low:.4g} to {high:.4g}"] = (numbers >= low) & upper
    return parts


def measurable(labels: NDArray[Any]) -> bool:
    """Say whether there are enough rows for an interval; of yes or no labels, enough of each."""
    if labels.dtype != np.bool_:
        return len(labels) >= 3 * MIN_PER_CLASS and len(np.unique(labels)) > 1
    return min(int(labels.sum()), int((~labels).sum())) >= MIN_PER_CLASS


def weak_slices(
    metric: str,
    labels: NDArray[Any],
    answers: NDArray[np.float32],
    rows: pl.DataFrame,
    fields: tuple[str, ...],
    most: int = 8,
) -> list[dict[str, Any]]:
    """Search every field, and pairs of the weakest, for slices that nobody declared and where answers are worse.

    Of moments the hour and the weekday are searched. Worse means a lower AUC for yes or no, else a larger mean loss.
    Returns the worst first; ``proven`` says whether it survives Holm's correction for everything that was tried.
    """
    weakness = _by_area(labels, answers) if labels.dtype == np.bool_ else _by_loss(metric, labels, answers)
    searched: dict[str, pl.Series] = {}
    for field in fields:
        if field in rows.columns:
            column = rows[field]
            searched |= moments_of(column) if column.dtype.is_temporal() else {field: column}
    parts = [
        (f"{name}={value}", kept) for name, column in searched.items() for value, kept in values_of(column).items()
    ]
    tried = [{"slice": name, **found} for name, kept in parts if (found := weakness(kept))]
    weakest = sorted(tried, key=lambda one: -one["z"])[:12]
    masks = dict(parts)
    for first, second in itertools.combinations([one["slice"] for one in weakest], 2):
        if first.split("=")[0] != second.split("=")[0] and (found := weakness(masks[first] & masks[second])):
            tried.append({"slice": f"{first} & {second}", **found})
    proven = holm([float(norm.sf(one["z"])) for one in tried], 0.05)
    marked = [one | {"proven": bool(sure), "tried": len(tried)} for one, sure in zip(tried, proven, strict=True)]
    return sorted(marked, key=lambda one: -one["z"])[:most]


def _by_area(labels: NDArray[np.bool_], answers: NDArray[np.float32]) -> Weakness:
    """Return the AUC of some rows and how many standard errors (Hanley & McNeil 1982) it lies below the whole's."""
    whole = score("auc", labels, answers)

    def weakness(kept: NDArray[np.bool_]) -> dict[str, Any] | None:
        yes, no = int(labels[kept].sum()), int((~labels[kept]).sum())
        if min(yes, no) < 2 * MIN_PER_CLASS or kept.all():
            return None
        area = score("auc", labels[kept], answers[kept])
        one, two = area / (2 - area), 2 * area**2 / (1 + area)
        variance = (area * (1 - area) + (yes - 1) * (one - area**2) + (no - 1) * (two - area**2)) / (yes * no)
        return {"n": yes + no, "metric": "auc", "value": area, "z": (whole - area) / max(variance, 1e-12) ** 0.5}

    return weakness


def _by_loss(metric: str, labels: NDArray[Any], answers: NDArray[np.float32]) -> Weakness:
    """Return the mean loss of some rows and how many standard errors it lies above that of all others."""
    numbers = metric_of(metric).target == "regression"
    asked = ("mae" if metric == "mae" else "rmse") if numbers else "cross_entropy"
    losses = row_losses(asked, labels, answers)

    def weakness(kept: NDArray[np.bool_]) -> dict[str, Any] | None:
        inside, outside = losses[kept], losses[~kept]
        if min(len(inside), len(outside)) < 4 * MIN_PER_CLASS:
            return None
        error = (inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside)) ** 0.5
        value = score(asked, labels[kept], answers[kept])
        z = float((inside.mean() - outside.mean()) / max(error, 1e-12))
        return {"n": len(inside), "metric": asked, "value": value, "z": z}

    return weakness
