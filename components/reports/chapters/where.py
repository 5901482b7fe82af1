"""Where it is good and what it looks at: slices, weak ones that nobody declared, importance, behaviour tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from components.declaration.metrics import sign_of
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.units import MIN_ROWS, MIN_UNITS
from components.gates.worse_slices import beside_whole
from components.reports.charts import Whisker, bars, intervals, rounded
from components.reports.subject import Subject


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says in "Slices" and "Behaviour"."""
    tables, metric = subject.evidence.tables, subject.workload.goal.metric
    return {
        "higher": sign_of(metric) > 0,
        "min_rows": MIN_ROWS,
        "min_units": MIN_UNITS,
        "slices": _slices(subject.evidence, metric),
        "small": tables.get("slices_too_small", []),
        "weak": tables.get("weak_slices", []),
        "importance": _importance(tables.get("importance", [])),
        "tests": tables.get("behaviour", []),
    }


def _slices(evidence: Evidence, metric: str) -> Markup | None:
    """Draw the goal's metric by slice, worst first; what is provably worse than the whole is red."""
    whole, judged = evidence.find(metric), beside_whole(evidence, metric)
    if whole is None or not judged:
        return None
    styles = {"worse": "bad", "too small": "faint", "not worse": "accent"}
    values = rounded([whole.value, *(measure.value for measure, _ in judged)])
    rows = [Whisker("the whole", whole.value, *_ends(whole), values[0], "other")]
    for (measure, beside), value in zip(judged, values[1:], strict=True):
        note = f"{value} · {measure.n:,} rows{'' if beside != 'too small' else ', too few to judge'}"
        rows.append(Whisker(str(measure.slice), measure.value, *_ends(measure), note, styles[beside]))
    return Markup(intervals(rows, mark=whole.value, label=f"{metric} by slice"))


def _ends(measure: Measure) -> tuple[float, float]:
    return measure.bound("below", 0.975), measure.bound("above", 0.975)


def _importance(table: Sequence[Mapping[str, Any]]) -> Markup | None:
    if not table:
        return None
    losses = rounded([row["loss"] for row in table])
    spreads = rounded([row["deviation"] for row in table], like=[row["loss"] for row in table])
    rows = [(row["field"], row["loss"], f"{losses[i]} ± {spreads[i]}") for i, row in enumerate(table)]
    return Markup(bars(rows, "loss when a field is shuffled"))
