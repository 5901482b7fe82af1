"""What follows from answers that are numbers: how far quantiles keep their promise, bias by group, truth by answer."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.decisions import SOURCE
from components.evaluation.evidence import Measure
from components.evaluation.groups import compared_groups, worst_gap
from components.evaluation.hold_out import HoldOut, Quantiles
from components.evaluation.metrics import distance_from_chance, replicates, score, statistic, summarise
from components.evaluation.part import EvaluationPart
from components.evaluation.slices import MIN_PER_CLASS
from components.evaluation.units import ROWS, Unit
from components.evaluation.weighted_scores import Statistic, mean_loss

BINS = 15
# Rows that a group must have to be compared.
MIN_GROUP = 3 * MIN_PER_CLASS


def number_decisions(
    hold_out: HoldOut, workload: EvaluationPart, resamples: int
) -> tuple[list[Measure], dict[str, Any]]:
    """Return measures and tables of the quantiles, if there are some, the truth by answer, and gaps between groups."""
    gaps, groups = bias_gaps(hold_out, workload, resamples)
    tables: dict[str, Any] = {"numbers": truth_by_answer(hold_out.labels, hold_out.graph)}
    tables |= {"biases": groups} if groups else {}
    if hold_out.quantiles is None:
        return gaps, tables
    tables["quantiles"] = quantile_table(hold_out.labels, hold_out.quantiles)
    found = quantile_measures(hold_out.labels, hold_out.quantiles, workload.seed, resamples, hold_out.unit)
    return [*gaps, *found], tables


def quantile_measures(
    labels: NDArray[Any], quantiles: Quantiles, seed: int, resamples: int, unit: Unit = ROWS
) -> list[Measure]:
    """Return pinball loss, coverage and width of the outermost two, and how far a quantile is off its level at most.

    Koenker & Bassett, Regression Quantiles (1978), for the loss.
    """
    rows, levels = len(labels), np.array(quantiles.levels)
    apart = labels.astype(np.float64)[:, None] - quantiles.graph.astype(np.float64)
    losses = np.maximum(levels * apart, (levels - 1) * apart).mean(axis=1)
    names, statistics, values = ["pinball"], [mean_loss(losses)], [float(losses.mean())]
    if len(levels) > 1:
        for metric in ("coverage", "width"):
            names.append(metric)
            statistics.append(statistic(metric, labels, quantiles.graph))
            values.append(score(metric, labels, quantiles.graph))
    drawn = replicates(statistics, rows, resamples, seed, unit)
    promised = f"{levels[-1] - levels[0]:.0%} promised" if len(levels) > 1 else ""
    details = {"coverage": f"between the quantiles {levels[0]:g} and {levels[-1]:g}: {promised}"}
    made = [
        Measure.of(name, summarise(value, drawn[place], rows, unit=unit), source=SOURCE, detail=details.get(name, ""))
        for place, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    shares = (apart < 0).mean(axis=0)
    told = ", ".join(f"{share:.3f} below the quantile {level:g}" for share, level in zip(shares, levels, strict=True))
    distances = [_off(below, level) for below, level in zip((apart < 0).T, levels, strict=True)]
    worst, _ = distance_from_chance(distances, rows, resamples, seed, unit)
    return [*made, Measure.of("calibration_error", worst, source=SOURCE, detail=told)]


def _off(below: NDArray[np.bool_], level: float) -> Statistic:
    share = mean_loss(below.astype(np.float64))
    return lambda weights: abs(share(weights) - level)


def quantile_table(labels: NDArray[Any], quantiles: Quantiles) -> list[dict[str, float]]:
    """Return for each quantile its level, the share of labels below it and its mean."""
    columns = zip(quantiles.levels, quantiles.graph.T, strict=True)
    return [
        {"level": level, "below": float((labels < column).mean()), "mean": float(column.mean())}
        for level, column in columns
    ]


def truth_by_answer(labels: NDArray[Any], answers: NDArray[Any]) -> list[dict[str, float]]:
    """Return mean answer, mean and median truth in groups of equal size, lowest answers first."""
    groups = np.array_split(np.argsort(answers, kind="stable"), min(BINS, len(answers)))
    return [
        {
            "n": len(group),
            "answer": float(answers[group].mean()),
            "mean": float(labels[group].mean()),
            "median": float(np.median(labels[group])),
        }
        for group in groups
    ]


def bias_gaps(
    hold_out: HoldOut, workload: EvaluationPart, resamples: int
) -> tuple[list[Measure], list[dict[str, Any]]]:
    """Return the largest gap between groups in mean error, in units of the label's scale, and the error of every group.

    A group that is always answered too high is not served like one that is answered right.
    """
    errors = (hold_out.graph.astype(np.float64) - hold_out.labels) / hold_out.scale
    table: list[dict[str, Any]] = []
    gaps: list[Measure] = []
    for field in workload.gates.sensitive:
        groups, left_out = compared_groups(hold_out.rows[field], lambda kept: int(kept.sum()), MIN_GROUP)
        biases = {value: float(errors[kept].mean()) for value, kept in groups.items()}
        for value, kept in groups.items():
            mean = float(np.abs(errors[kept]).mean() * hold_out.scale)
            row = {"group": f"{field}={value}", "n": int(kept.sum()), "bias": biases[value] * hold_out.scale}
            table.append(row | {"error": mean})
        table += left_out
        pairs = itertools.combinations(sorted(biases, key=lambda value: biases[value]), 2)
        widest = max(pairs, key=lambda pair: biases[pair[1]] - biases[pair[0]], default=None)
        if widest:
            gaps.append(_gap(field, errors, groups, biases, widest, workload.seed, resamples, hold_out.unit))
    return worst_gap(gaps, table, f"fewer than {MIN_GROUP} rows"), table


def _gap(
    field: str,
    errors: NDArray[np.float64],
    groups: dict[str, NDArray[np.bool_]],
    biases: dict[str, float],
    pair: tuple[str, str],
    seed: int,
    resamples: int,
    unit: Unit,
) -> Measure:
    def mean(kept: NDArray[np.float64]) -> Any:
        return lambda weights: float((weights * kept * errors).sum() / max(float((weights * kept).sum()), 1.0))

    low, high = pair
    drawn = replicates([mean(groups[value].astype(np.float64)) for value in pair], len(errors), resamples, seed, unit)
    found = summarise(biases[high] - biases[low], drawn[1] - drawn[0], len(errors), unit=unit)
    detail = f"{field}: {high} {biases[high]:+.3f}, {low} {biases[low]:+.3f}"
    return Measure.of("fairness_gap", found, source=SOURCE, detail=detail, unit="mean error, in scales of the label")
