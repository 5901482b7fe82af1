"""How good it is: metrics, comparisons, curves; decisions, classes and numbers, whichever the label has."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from components.declaration.metrics import CLASS_METRICS, known_metrics
from components.evaluation.evidence import Evidence
from components.gates.texts import plural
from components.reports.charts import Plane
from components.reports.numbers import signed, span
from components.reports.subject import Subject

NOT_BY_COST = "The threshold is serving.decision_threshold; with gates.costs it is chosen by what errors cost."
# Of each class; what a floor can be set for.
_RATES = tuple(f"{metric}_" for metric in CLASS_METRICS)


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says in "How good it is", "Decisions", "Classes" and "Numbers"."""
    evidence, tables = subject.evidence, subject.evidence.tables
    whole = evidence.find(subject.workload.goal.metric)
    chosen = evidence.find("decision_threshold")
    return {
        "rows": f"{whole.n:,}" if whole and whole.n else "the",
        "drawn": f"{plural(whole.by)} ({whole.units})" if whole and whole.units else "",
        "in_unit": f", {unit}" if (unit := evidence.unit_of(subject.workload.goal.metric)) else "",
        "unit": evidence.unit,
        "metrics": _metrics(evidence),
        "gains": _gains(evidence),
        "curves": _curves(tables, evidence.unit),
        "confusion": tables.get("confusion"),
        "thresholds": tables.get("thresholds"),
        "threshold_note": chosen.detail if chosen and chosen.detail else NOT_BY_COST,
        "groups": tables.get("groups"),
        "classes": tables.get("classes"),
        "decision_cost": evidence.find("decision_cost"),
        "quantiles": tables.get("quantiles"),
        "biases": tables.get("biases"),
    }


def _metrics(evidence: Evidence) -> list[dict[str, str]]:
    rows = []
    more = [m.name for m in evidence.measures if m.name.startswith(_RATES) and not m.slice]
    for name in (*known_metrics(), *more):
        own, baseline = evidence.find(name), evidence.find(f"baseline_{name}")
        if own is None:
            continue
        rows.append(
            {
                "name": f"{name.replace('_', '-')}{f', {unit}' if (unit := evidence.unit_of(name)) else ''}",
                "value": f"{own.value:.4f}",
                "interval": span(own),
                "baseline": f"{baseline.value:.4f}" if baseline else "",
                "baseline_interval": span(baseline),
            }
        )
    return rows


def _gains(evidence: Evidence) -> list[dict[str, str]]:
    titles = {
        "gain_over_base_rate": "the constant answer",
        "gain_over_baseline": "the baseline",
        "gain_over_other": "the other candidate",
        "gain_over_uncompressed": "the model before compression",
    }
    found = [(title, evidence.find(name)) for name, title in titles.items()]
    return [
        {"rival": title, "detail": gain.detail, "value": signed(gain.value), "interval": span(gain)}
        for title, gain in found
        if gain is not None
    ]


def _curves(tables: Mapping[str, Any], unit: str) -> list[dict[str, Any]]:
    made = []
    if "curves" in tables:
        roc = Plane("false alarms, share of no", "found, share of yes").line([(0, 0), (1, 1)], "faint")
        roc.line(tables["curves"]["roc"])
        precision = Plane("found, share of yes (recall)", "right among answered yes (precision)")
        precision.line(tables["curves"]["precision_recall"])
        made.append({"title": "ROC: the area is the auc", "svg": Markup(roc.svg("ROC curve"))})
        made.append({"title": "Precision and recall", "svg": Markup(precision.svg("precision-recall curve"))})
    if "calibration" in tables:
        made.append(_calibration(tables["calibration"], "yes", "Calibration"))
    for name, bins in tables.get("class_calibration", {}).items():
        made.append(_calibration(bins, name, f"Calibration of {name}"))
    if "numbers" in tables:
        made.append(_number_curve(tables["numbers"], unit))
    return made


def _calibration(bins: Sequence[Mapping[str, float]], of: str, title: str) -> dict[str, Any]:
    # A whole number of fifths, so that both axes have the same ticks.
    end = min(1.0, 0.2 * math.ceil(5 * max(max(row["mean"], row["rate"]) for row in bins)))
    notes = [f"answered {row['mean']:.3f}, observed {row['rate']:.3f}, {row['n']:,.0f} rows" for row in bins]
    plane = Plane("mean answer", f"observed share of {of}", x_end=end, y_end=end).line([(0, 0), (end, end)], "faint")
    points = [(row["mean"], row["rate"]) for row in bins]
    chart = plane.line(points).dots(points, notes).svg(f"calibration curve of {of}")
    return {"title": f"{title}: {len(bins)} bins of equal size", "svg": Markup(chart)}


def _number_curve(bins: Sequence[Mapping[str, float]], unit: str) -> dict[str, Any]:
    ends = [row[key] for row in bins for key in ("answer", "mean", "median")]
    low, high = min(ends), max(ends)
    notes = [
        f"answered {r['answer']:.4g}; mean {r['mean']:.4g}, median {r['median']:.4g}, {r['n']:,} rows" for r in bins
    ]
    titles = [f"{title}, {unit}" if unit else title for title in ("mean answer", "what came")]
    plane = Plane(*titles, x_start=low, x_end=high, y_start=low, y_end=high)
    plane.line([(low, low), (high, high)], "faint")
    points = [(row["answer"], row["mean"]) for row in bins]
    medians = [(row["answer"], row["median"]) for row in bins]
    chart = plane.line(points).dots(points, notes).line(medians, "other").svg("truth by answer")
    return {"title": f"Truth by answer, {len(bins)} groups of equal size: mean (dots) and median", "svg": Markup(chart)}
