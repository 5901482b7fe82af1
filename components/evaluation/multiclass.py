"""What follows from probabilities of several classes: the decision that costs least, rates and calibration of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.decisions import SOURCE, gaps_between
from components.evaluation.evidence import Measure
from components.evaluation.groups import worst_gap
from components.evaluation.hold_out import HoldOut
from components.evaluation.metrics import (
    calibration_bins,
    calibration_statistic,
    distance_from_chance,
    expected_calibration_error,
    replicates,
    summarise,
)
from components.evaluation.part import EvaluationPart
from components.evaluation.slices import MIN_PER_CLASS
from components.evaluation.units import ROWS, Unit
from components.evaluation.weighted_scores import Statistic, mean_loss

Places = NDArray[np.int64]


def class_decisions(
    hold_out: HoldOut, workload: EvaluationPart, resamples: int
) -> tuple[list[Measure], dict[str, Any]]:
    """Return what follows from the decision: rates of every class, its cost, calibration, gaps between groups."""
    labels, graph = hold_out.labels.astype(np.int64), hold_out.graph
    names = hold_out.classes or tuple(str(place) for place in range(graph.shape[1]))
    costs = workload.gates.costs
    weights = np.array([costs.classes.get(name, 1.0) if costs else 1.0 for name in names])
    said = (graph * weights).argmax(axis=1)
    unit = hold_out.unit
    measures = rate_measures(labels, said, names, workload.seed, resamples, unit)
    if costs:
        measures.append(_cost(labels, said, graph.argmax(axis=1), weights, workload.seed, resamples, unit))
    measures.append(_saving(labels, said, weights, workload.seed, resamples, unit))
    against_all = {name: (labels == place, graph[:, place]) for place, name in enumerate(names)}
    measures.append(calibration_measure(against_all, workload.seed, resamples, unit))
    gaps: list[Measure] = []
    groups: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        found, table = gaps_between(
            labels == place,
            said == place,
            hold_out.rows,
            workload.gates.sensitive,
            seed=workload.seed,
            resamples=resamples,
            of=name,
            unit=unit,
        )
        gaps, groups = [*gaps, *found], [*groups, *table]
    worst = worst_gap(gaps, groups, f"fewer than {MIN_PER_CLASS} rows of the class")
    tables: dict[str, Any] = {"classes": class_table(labels, said, names)} | ({"groups": groups} if groups else {})
    tables["class_calibration"] = {name: calibration_bins(*pair) for name, pair in against_all.items()}
    return [*measures, *worst], tables


def rate_measures(
    truth: Places, said: Places, names: tuple[str, ...], seed: int, resamples: int, unit: Unit = ROWS
) -> list[Measure]:
    """Return recall, precision and F1 of every class with intervals; what no row could tell is left out."""
    rates: list[_Rate] = []
    for place, name in enumerate(names):
        was, is_said = truth == place, said == place
        both = was & is_said
        rates += [
            _Rate(f"recall_{name}", both, was, int(was.sum()), f"of the rows that are {name}"),
            _Rate(f"precision_{name}", both, is_said, int(is_said.sum()), f"of the rows answered {name}"),
            _Rate(f"f1_{name}", 2 * both, was.astype(np.int64) + is_said, len(truth), ""),
        ]
    kept = [rate for rate in rates if rate.of.any()]
    drawn = replicates([rate.statistic() for rate in kept], len(truth), resamples, seed, unit)
    return [
        Measure.of(
            rate.name,
            summarise(float(rate.hits.sum() / rate.of.sum()), drawn[place], rate.rows, unit=unit.of(rate.of > 0)),
            source=SOURCE,
            detail=rate.detail,
        )
        for place, rate in enumerate(kept)
    ]


@dataclass(frozen=True)
class _Rate:
    """A share of rows, ``hits`` among ``of``, [rows] each, and how many rows it rests on."""

    name: str
    hits: NDArray[Any]
    of: NDArray[Any]
    rows: int
    detail: str

    def statistic(self) -> Statistic:
        hits, of = self.hits.astype(np.float64), self.of.astype(np.float64)

        def compute(weights: NDArray[np.float64]) -> float:
            total = float((weights * of).sum())
            return float((weights * hits).sum()) / total if total else float("nan")

        return compute


def _cost(
    labels: Places,
    said: Places,
    likeliest: Places,
    weights: NDArray[np.float64],
    seed: int,
    resamples: int,
    unit: Unit,
) -> Measure:
    """Return what the decisions cost a row, and what answering the likeliest class would have cost."""
    losses, other = (weights[labels] * (answer != labels) for answer in (said, likeliest))
    drawn = replicates([mean_loss(losses)], len(labels), resamples, seed, unit)[0]
    found = summarise(float(losses.mean()), drawn, len(labels), unit=unit)
    detail = f"from the declared costs; answering the likeliest class would have cost {other.mean():.4g} a row"
    return Measure.of("decision_cost", found, source=SOURCE, detail=detail)


def _saving(
    labels: Places, said: Places, weights: NDArray[np.float64], seed: int, resamples: int, unit: Unit
) -> Measure:
    """Return which share of the cost of the best class for all rows the decisions save; below 0 they cost more."""
    losses = weights[labels] * (said != labels)
    # What misses of each class cost: the best constant answers the class of which that is most.
    missed = np.stack([weights[place] * (labels == place) for place in range(len(weights))])

    def share(drawn: NDArray[np.float64]) -> float:
        each = missed @ drawn
        least = float(each.sum() - each.max())
        return 1 - float(drawn @ losses) / least if least else float("nan")

    value = share(np.ones(len(labels)))
    detail = "answering the one class that costs least to all"
    if not np.isfinite(value):
        return Measure(name="decision_saving", value=0.0, n=len(labels), source=SOURCE, detail=detail)
    drawn = replicates([share], len(labels), resamples, seed, unit)[0]
    return Measure.of("decision_saving", summarise(value, drawn, len(labels), unit=unit), source=SOURCE, detail=detail)


def calibration_measure(
    answered: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], seed: int, resamples: int, unit: Unit = ROWS
) -> Measure:
    """Return the largest expected calibration error of a class against all others, from its labels and probabilities.

    The detail says which class it is, the error as it stands on these rows, and how large it would be by chance alone
    if every answer were right.
    """
    statistics = [calibration_statistic(*pair) for pair in answered.values()]
    rows = len(next(iter(answered.values()))[0])
    found, worst = distance_from_chance(statistics, rows, resamples, seed, unit)
    name, (labels, answers) = list(answered.items())[worst]
    random, stands = np.random.default_rng(seed), expected_calibration_error(labels, answers)
    chance = [expected_calibration_error(random.random(rows) < answers, answers) for _ in range(20)]
    of = f"of the class {name}, the worst; " if len(answered) > 1 else ""
    detail = f"{of}{stands:.4f} as it stands, chance alone gives {np.mean(chance):.4f}"
    return Measure.of("calibration_error", found, source=SOURCE, detail=detail)


def class_table(labels: Places, said: Places, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the confusion matrix [truth][answer] of several classes, and precision, recall and F1 of each."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    places = list(range(len(names)))
    parts = precision_recall_fscore_support(labels, said, labels=places, zero_division=0.0)
    rows = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "n": int(n)}
        for name, p, r, f, n in zip(names, *parts, strict=True)
    ]
    return {"confusion": confusion_matrix(labels, said, labels=places).tolist(), "classes": rows}
