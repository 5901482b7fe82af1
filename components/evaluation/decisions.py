"""From probabilities to decisions: the threshold that declared costs ask for, confusion, curves, fairness gaps."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.evaluation.evidence import Measure
from components.evaluation.groups import compared_groups, worst_gap
from components.evaluation.hold_out import HoldOut
from components.evaluation.metrics import replicates, summarise
from components.evaluation.part import DecisionPart, EvaluationPart
from components.evaluation.slices import MIN_PER_CLASS
from components.evaluation.units import ROWS, Unit

SOURCE = "evaluation"
CURVE_POINTS = 120
TOO_FEW_YES = f"fewer than {MIN_PER_CLASS} rows that are yes"
# What a miss may cost, in false alarms.
MISS_PRICES = (1, 2, 3, 4, 6, 10, 20)


def threshold_for_costs(false_alarm: float, miss: float) -> float:
    """Return the probability from which yes is cheaper, for calibrated answers (Elkan 2001, eq. 2)."""
    return false_alarm / (false_alarm + miss)


def cheapest_threshold(
    labels: NDArray[Any], probabilities: NDArray[Any], false_alarm: float, miss: float
) -> tuple[float, float]:
    """Return the threshold with the lowest cost on these rows, and that cost per row: for answers not calibrated."""
    order = np.argsort(probabilities, kind="stable")
    truth, answers = np.asarray(labels, dtype=np.float64)[order], np.asarray(probabilities)[order]
    misses = np.concatenate(([0.0], np.cumsum(truth)))
    alarms = (1 - truth).sum() - np.concatenate(([0.0], np.cumsum(1 - truth)))
    costs = (false_alarm * alarms + miss * misses) / len(truth)
    # A threshold cannot part rows that tie.
    possible = np.concatenate(([True], np.diff(answers) > 0, [True]))
    best = int(np.flatnonzero(possible)[np.argmin(costs[possible])])
    threshold = float(answers[best]) if best < len(answers) else 1.0
    return threshold, float(costs[best])


def decision_threshold(workload: DecisionPart) -> float:
    """Return the probability from which the answer is yes: what the declared costs ask for, else what is declared."""
    costs = workload.gates.costs
    if costs is None or costs.false_alarm is None or costs.miss is None:
        return workload.serving.decision_threshold
    return threshold_for_costs(costs.false_alarm, costs.miss)


def decisions(hold_out: HoldOut, workload: EvaluationPart, resamples: int) -> tuple[list[Measure], dict[str, Any]]:
    """Return what follows from a threshold: the declared one, or the one that the declared costs ask for."""
    labels, answers, gates = hold_out.labels, hold_out.graph, workload.gates
    threshold, measures = decision_threshold(workload), []
    if gates.costs and gates.costs.false_alarm and gates.costs.miss:
        seen, cost = cheapest_threshold(labels, answers, gates.costs.false_alarm, gates.costs.miss)
        detail = f"from the declared costs; on these rows {seen:.3f} would have been cheapest, {cost:.4g} a row"
        measures.append(Measure(name="decision_threshold", value=threshold, source=SOURCE, detail=detail))
    gaps, groups = fairness(
        labels,
        answers,
        hold_out.rows,
        gates.sensitive,
        threshold=threshold,
        seed=workload.seed,
        resamples=resamples,
        unit=hold_out.unit,
    )
    measures.append(saving(labels, answers, threshold, workload.seed, resamples, hold_out.unit))
    tables: dict[str, Any] = {"confusion": confusion(labels, answers, threshold), "curves": curves(labels, answers)}
    tables["thresholds"] = thresholds(hold_out, workload)
    return [*measures, *gaps], tables | ({"groups": groups} if groups else {})


def saving(
    labels: NDArray[Any], answers: NDArray[Any], threshold: float, seed: int, resamples: int, unit: Unit = ROWS
) -> Measure:
    """Return which share of the cost of the better constant answer the decisions save; below 0 they cost more.

    A threshold says what errors cost: a false alarm ``threshold``, a miss the rest of 1 (Vickers & Elkin 2006).
    """
    truth, said = np.asarray(labels, dtype=bool), np.asarray(answers) >= threshold
    costs = _costs(truth, said, threshold)

    def share(weights: NDArray[np.float64]) -> float:
        own, never, always = (float(weights @ cost) for cost in costs)
        least = min(never, always)
        return 1 - own / least if least else float("nan")

    value = share(np.ones(len(truth)))
    drawn = replicates([share], len(truth), resamples, seed, unit)[0]
    better = "answering no to all" if costs[1].sum() <= costs[2].sum() else "answering yes to all"
    if not np.isfinite(value):
        return Measure(name="decision_saving", value=0.0, n=len(truth), source=SOURCE, detail=better)
    return Measure.of("decision_saving", summarise(value, drawn, len(truth), unit=unit), source=SOURCE, detail=better)


def _costs(truth: NDArray[np.bool_], said: NDArray[np.bool_], threshold: float) -> list[NDArray[np.float64]]:
    """Return what each row costs: as it is answered, with the answer no to all, with yes to all."""
    answers = (said, np.zeros_like(truth), np.ones_like(truth))
    return [np.where(truth, (1 - threshold) * ~answer, threshold * answer) for answer in answers]


def thresholds(hold_out: HoldOut, workload: EvaluationPart) -> dict[str, Any]:
    """Return the cost curve: for each price of a miss, in false alarms, its threshold and what that gives.

    ``chosen`` is the threshold that was best on validation: by the declared costs, else by F1.
    """
    labels, answers = hold_out.labels, hold_out.graph
    curve = [{"misses": price, **_at(labels, answers, threshold_for_costs(1, price))} for price in MISS_PRICES]
    if hold_out.tuning is None:
        return {"curve": curve, "chosen": None}
    costs, (truth, told) = workload.gates.costs, hold_out.tuning
    if costs and costs.false_alarm and costs.miss:
        best, by = cheapest_threshold(truth, told, costs.false_alarm, costs.miss)[0], "the declared costs"
    else:
        best, by = best_f1_threshold(truth, told), "the best F1"
    return {"curve": curve, "chosen": {"by": by, **_at(labels, answers, best)}}


def _at(labels: NDArray[Any], answers: NDArray[Any], threshold: float) -> dict[str, float]:
    found = confusion(labels, answers, threshold)
    said = found["true_yes"] + found["false_yes"]
    truth = np.asarray(labels, dtype=bool)
    own, never, always = (float(cost.sum()) for cost in _costs(truth, answers >= threshold, threshold))
    least = min(never, always)
    return {
        "threshold": threshold,
        "recall": found["recall"],
        "precision": found["precision"],
        "yes": said / max(len(truth), 1),
        "saving": 1 - own / least if least else 0.0,
    }


def best_f1_threshold(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Return the threshold with the best F1 of yes on these rows."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, at = precision_recall_curve(labels, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(at[int(np.argmax(f1[:-1]))])


def confusion(labels: NDArray[Any], probabilities: NDArray[Any], threshold: float) -> dict[str, float]:
    """Return counts of the four outcomes, and precision and recall of yes."""
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(labels, probabilities >= threshold, labels=[False, True])
    (right_no, false_yes), (missed, right_yes) = table.tolist()
    return {
        "threshold": threshold,
        "true_no": right_no,
        "false_yes": false_yes,
        "missed_yes": missed,
        "true_yes": right_yes,
        "precision": right_yes / max(right_yes + false_yes, 1),
        "recall": right_yes / max(right_yes + missed, 1),
    }


def curves(labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, list[list[float]]]:
    """Return the ROC and precision-recall curves as points [x, y], thinned to what a page can show."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_rate, true_rate, _ = roc_curve(labels, probabilities)
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    return {"roc": _thinned(false_rate, true_rate), "precision_recall": _thinned(recall, precision)}


def fairness(
    labels: NDArray[np.bool_],
    probabilities: NDArray[Any],
    rows: pl.DataFrame,
    fields: tuple[str, ...],
    *,
    threshold: float,
    seed: int,
    resamples: int,
    unit: Unit = ROWS,
) -> tuple[list[Measure], list[dict[str, Any]]]:
    """Return the largest gap between groups in found positives, and the rates of every group."""
    gaps, table = gaps_between(
        labels, probabilities >= threshold, rows, fields, seed=seed, resamples=resamples, unit=unit
    )
    return worst_gap(gaps, table, TOO_FEW_YES), table


def gaps_between(
    labels: NDArray[np.bool_],
    said: NDArray[np.bool_],
    rows: pl.DataFrame,
    fields: tuple[str, ...],
    *,
    seed: int,
    resamples: int,
    of: str = "",
    unit: Unit = ROWS,
) -> tuple[list[Measure], list[dict[str, Any]]]:
    """Return for each field the largest gap between groups in found positives (Hardt et al. 2016), and every rate.

    ``of`` names the class that ``labels`` and ``said`` are about.
    """
    table: list[dict[str, Any]] = []
    gaps: list[Measure] = []
    about = f"{of}, " if of else ""
    for field in fields:
        groups, left_out = compared_groups(
            rows[field], lambda kept: int(labels[kept].sum()), MIN_PER_CLASS, f"{of}, " if of else ""
        )
        for value, kept in groups.items():
            found, selected = float(said[kept & labels].mean()), float(said[kept].mean())
            group = f"{about}{field}={value}"
            table.append({"group": group, "n": int(kept.sum()), "found": found, "selected": selected})
        table += left_out
        if len(groups) > 1:
            gaps.append(_gap(about + field, labels, said, groups, seed, resamples, unit))
    return gaps, table


def _gap(
    field: str,
    labels: NDArray[np.bool_],
    said: NDArray[np.bool_],
    groups: dict[str, NDArray[np.bool_]],
    seed: int,
    resamples: int,
    unit: Unit,
) -> Measure:
    """Return the gap between the groups that differ most, as a difference of two rates with its interval."""
    rates = {value: float(said[kept & labels].mean()) for value, kept in groups.items()}
    best, worst = max(rates, key=lambda v: rates[v]), min(rates, key=lambda v: rates[v])
    positives = np.flatnonzero(labels)
    sides = [(groups[value] & labels)[positives].astype(np.float64) for value in (best, worst)]
    hits = said[positives].astype(np.float64)

    def rate(side: NDArray[np.float64]) -> Any:
        return lambda weights: float((weights * side * hits).sum() / max(float((weights * side).sum()), 1.0))

    drawn_by = unit.of(positives)
    drawn = replicates([rate(side) for side in sides], len(positives), resamples, seed, drawn_by)
    gap = summarise(rates[best] - rates[worst], drawn[0] - drawn[1], len(positives), unit=drawn_by)
    detail = f"{field}: {best} {rates[best]:.3f}, {worst} {rates[worst]:.3f}"
    return Measure.of("fairness_gap", gap, source=SOURCE, detail=detail, unit="rate of found positives")


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    places = np.unique(np.linspace(0, len(x) - 1, CURVE_POINTS).round().astype(int))
    return [[round(float(x[i]), 4), round(float(y[i]), 4)] for i in places]
