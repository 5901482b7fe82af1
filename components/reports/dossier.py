"""The dossier: one self-contained HTML page that says what a build is, how good it is, and why to believe it.

    page = render_dossier(Subject(workload, contract, evidence, report, validated, expected, prepared, trained))

Everything on the page is computed from evidence and results that lie beside it; nothing is fetched when it is opened.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.data.results import Expected, Prepared, Validated
from components.declaration.targets import CLASS_METRICS, target_of
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.metrics import HIGHER_IS_BETTER
from components.evaluation.units import MIN_ROWS, MIN_UNITS
from components.gates.judge import GateReport
from components.gates.texts import number, plural
from components.gates.worse_slices import beside_whole
from components.reports.charts import Plane, Whisker, bars, intervals, learning, rounded
from components.training.results import Spent, Trained, read_trials
from data_contracts.description.spec import ContractSpec

TEMPLATE = "dossier.html.jinja"
SECTIONS = {
    "gates": "Gates",
    "quality": "How good it is",
    "decisions": "Decisions",
    "classes": "Classes",
    "numbers": "Numbers",
    "slices": "Slices",
    "behaviour": "Behaviour",
    "shipped": "What ships",
    "data": "Data",
    "card": "Model card",
    "cost": "What it took",
    "lineage": "Lineage",
}
SHIFTS = 8
TRIALS = ("finished", "pruned", "failed")
NOT_BY_COST = "The threshold is serving.decision_threshold; with gates.costs it is chosen by what errors cost."
# Of each class; what a floor can be set for.
_RATES = tuple(f"{metric}_" for metric in CLASS_METRICS)
STATES = ("failed", "undecided", "passed")


@dataclass(frozen=True)
class Subject:
    """What a dossier is about; what a kind has not (say, no training record) is None and left out."""

    workload: Workload
    contract: ContractSpec
    evidence: Evidence
    report: GateReport
    validated: Validated | None = None
    expected: Expected | None = None
    prepared: Prepared | None = None
    trained: Trained | None = None
    spent: Spent | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)
    # Stage of the pipeline to the seconds it took.
    stages: Mapping[str, float] = field(default_factory=dict)
    limits: Sequence[str] = ()


def render_dossier(subject: Subject) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    return environment.get_template(TEMPLATE).render(**_page(subject))


def _page(subject: Subject) -> dict[str, Any]:
    evidence, report, tables = subject.evidence, subject.report, subject.evidence.tables
    whole = evidence.find(subject.workload.goal.metric)
    chosen = evidence.find("decision_threshold")
    present = {
        "decisions": "confusion" in tables,
        "classes": "classes" in tables,
        "numbers": bool(tables.get("quantiles") or tables.get("biases")),
        "behaviour": bool(tables.get("importance") or tables.get("behaviour")),
        "shipped": any(tables.get(name) for name in ("variants", "ladder", "stages")),
        "cost": subject.trained is not None,
    }
    return {
        "workload": subject.workload,
        "contract": subject.contract,
        "evidence": evidence,
        "report": report,
        "made": datetime.now(UTC).strftime("%-d %B %Y, %H:%M UTC"),
        "refused_line": _refused_line(report),
        "cards": _cards(subject),
        "sections": [(key, title) for key, title in SECTIONS.items() if present.get(key, True)],
        "verdicts": sorted(report.verdicts, key=lambda verdict: STATES.index(verdict.state)),
        # Where it fails stands at the top.
        "warnings": [warning for warning in report.warnings if warning not in report.fails],
        "thresholds": tables.get("thresholds"),
        "rows": f"{whole.n:,}" if whole and whole.n else "the",
        "drawn": f"{plural(whole.by)} ({whole.units})" if whole and whole.units else "",
        "metrics": _metrics(evidence),
        "gains": _gains(evidence),
        "curves": _curves(tables, evidence.unit),
        "classes": tables.get("classes"),
        "confusion": tables.get("confusion"),
        "threshold_note": chosen.detail if chosen and chosen.detail else NOT_BY_COST,
        "groups": tables.get("groups"),
        "quantiles": tables.get("quantiles"),
        "biases": tables.get("biases"),
        "decision_cost": evidence.find("decision_cost"),
        "answered_with": _answered_with(subject),
        "in_unit": f", {unit}" if (unit := evidence.unit_of(subject.workload.goal.metric)) else "",
        "unit": evidence.unit,
        "higher": HIGHER_IS_BETTER.get(subject.workload.goal.metric, True),
        "min_rows": MIN_ROWS,
        "min_units": MIN_UNITS,
        "slices": _slices(evidence, subject.workload.goal.metric),
        "small": tables.get("slices_too_small", []),
        "weak": tables.get("weak_slices", []),
        "importance": _importance(tables.get("importance", [])),
        "tests": tables.get("behaviour", []),
        "compression": tables.get("variants"),
        "ladder": tables.get("ladder"),
        "budget": tables.get("stages"),
        "splits": list(subject.prepared.splits.values()) if subject.prepared else [],
        "shifts": subject.prepared.shifts[:SHIFTS] if subject.prepared else [],
        "compared": len(subject.prepared.shifts) if subject.prepared else 0,
        "left_out": subject.prepared.left_out if subject.prepared else 0,
        "validated": subject.validated,
        "limits": _limits(subject),
        "stages": list(subject.stages.items()),
        "expectations": _expectations(subject.expected),
        "cost": _cost(subject),
        "choice": _choice(subject),
        "candidates": _candidates(subject),
        "learning": _learning(tables),
        "lineage": _lineage(subject),
    }


def _refused_line(report: GateReport) -> str:
    named = ", ".join(f"{verdict.gate} ({verdict.state})" for verdict in report.refused)
    return f"{len(report.refused)} of {len(report.verdicts)} gates did not pass: {named}."


def _cards(subject: Subject) -> list[dict[str, str]]:
    goal, evidence = subject.workload.goal, subject.evidence
    unit = f" {unit}" if (unit := evidence.unit_of(goal.metric)) else ""
    asked = f"needs {goal.direction.replace('_', ' ')} {number(goal.threshold)}{unit}"
    in_unit = f",{unit}" if unit else ""
    wanted = [
        (goal.metric, f"{goal.metric} on the hold-out{in_unit}", asked),
        ("gain_over_baseline", f"gain over the baseline{in_unit}", f"in {goal.metric}"),
        ("calibration_error", "calibration error", f"at most {number(subject.workload.gates.calibration_error)}"),
        ("training_usd", "training, USD", f"at most {number(goal.training_usd)}"),
    ]
    found = [(evidence.find(name), title, note) for name, title, note in wanted]
    return [
        {"name": title, "value": _short(measure), "note": f"{note}{_between(measure)}"}
        for measure, title, note in found
        if measure is not None
    ]


def _short(measure: Measure) -> str:
    sign = "+" if measure.name.startswith("gain") else ""
    return (
        f"{measure.value:{sign}.3f}"
        if abs(measure.value) >= 0.01 or not measure.value
        else f"{measure.value:{sign}.2g}"
    )


def _between(measure: Measure) -> str:
    return "" if measure.low is None or measure.high is None else f" · {measure.low:.3f} to {measure.high:.3f}"


def signed(value: float) -> str:
    """Write a difference with its sign; what is nothing in four digits is 0.0000, not more or less."""
    return f"{value:+.4f}" if round(value, 4) else "0.0000"


def _span(measure: Measure | None) -> str:
    if measure is None or measure.low is None or measure.high is None:
        return ""
    return f"{measure.low:.4f} to {measure.high:.4f}"


def _metrics(evidence: Evidence) -> list[dict[str, str]]:
    rows = []
    more = [m.name for m in evidence.measures if m.name.startswith(_RATES) and not m.slice]
    for name in (*HIGHER_IS_BETTER, "pinball", *more):
        own, baseline = evidence.find(name), evidence.find(f"baseline_{name}")
        if own is None:
            continue
        rows.append(
            {
                "name": f"{name.replace('_', '-')}{f', {unit}' if (unit := evidence.unit_of(name)) else ''}",
                "value": f"{own.value:.4f}",
                "interval": _span(own),
                "baseline": f"{baseline.value:.4f}" if baseline else "",
                "baseline_interval": _span(baseline),
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
        {"rival": title, "detail": gain.detail, "value": signed(gain.value), "interval": _span(gain)}
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


def _answered_with(subject: Subject) -> str:
    """Say what the model answers, as a person would."""
    said = {
        "binary": "the probability of",
        "multiclass": "a probability for each class of",
        "regression": "its best guess of",
    }
    label, quantiles = subject.contract.label, subject.evidence.tables.get("quantiles")
    more = f", with the quantiles {', '.join(format(q['level'], 'g') for q in quantiles)}" if quantiles else ""
    return said.get(target_of(subject.contract), "an answer about") + f" {label.name}{more}"


def _limits(subject: Subject) -> list[str]:
    test = subject.prepared.splits.get("test") if subject.prepared else None
    period = f" from {test.start} to {test.end}" if test and test.start else ""
    limits = [
        f"It was measured on the hold-out{period} and on nothing else: other times, places and groups are outside of "
        "this evidence. The drift report says how far later rows have moved.",
        "It says what to expect, not what causes it: changing a field in the world need not change the outcome as it "
        "changes the answer.",
    ]
    if small := subject.evidence.tables.get("slices_too_small"):
        limits.append(f"Nothing is known about these slices: {'; '.join(small)}.")
    if weak := [w["slice"] for w in subject.evidence.tables.get("weak_slices", []) if w["proven"]]:
        limits.append(f"It is provably weaker than on the whole where {'; '.join(weak[:3])}.")
    if not subject.workload.gates.sensitive:
        limits.append("No sensitive field is declared, so nothing was measured about fairness between groups.")
    return [*limits, *subject.limits]


def _lineage(subject: Subject) -> dict[str, str]:
    lines = dict(subject.lineage)
    if subject.validated:
        lines["validated data"] = subject.validated.digest
    if subject.prepared:
        lines["prepared data"] = subject.prepared.digest
    if trained := subject.trained:
        lines["trained on"] = f"{trained.hardware.device}, {trained.hardware.precision}: {trained.hardware.reason}"
        lines["seeds"] = f"workload {subject.workload.seed}, training {trained.seed}"
    lines["contract"] = subject.workload.contract
    return lines


def _cost(subject: Subject) -> dict[str, str]:
    trained = subject.trained
    if trained is None:
        return {}
    spent = subject.spent or trained.spent
    cpu = f", {spent.cpu_seconds:.0f} s of processor time" if spent.cpu_seconds is not None else ""
    lines = {
        "training": f"{spent.seconds:.0f} s on the clock{cpu}; {trained.stopped} after {trained.epochs} epochs",
        "price": f"{spent.cost_usd:.4f} USD",
        "memory": trained.memory.text if trained.memory else "not known: a part ran in an earlier process",
    }
    if spent.energy is not None:
        lines["energy"] = spent.energy.text
    lines["said before"] = trained.estimate.text if trained.estimate else "nothing: slipway estimate was not asked"
    if trained.search is not None:
        trials = read_trials(trained.search)
        states = ", ".join(f"{sum(one.state == state for one in trials)} {state}" for state in TRIALS)
        lines["search"] = f"{len(trials)} trials: {states}; {sum(one.seconds for one in trials):.0f} s"
    return lines


def _candidates(subject: Subject) -> list[dict[str, Any]]:
    if subject.trained is None:
        return []
    return [
        {
            "name": one.name,
            "score": f"{one.score:.4f}",
            "seconds": f"{one.seconds:.1f}",
            "chosen": one.name == subject.trained.chosen,
        }
        for one in subject.trained.candidates
    ]


def _learning(tables: Mapping[str, Any]) -> dict[str, Any] | None:
    found = tables.get("learning")
    if found is None:
        return None
    losses = [(epoch["training_loss"], epoch["validation_loss"]) for epoch in found["epochs"]]
    return {**found, "svg": Markup(learning(losses, found["kept"]))}


def _choice(subject: Subject) -> str:
    """Say what the choice between the candidates rests on."""
    found = subject.trained.comparison if subject.trained else None
    if found is None:
        return ""
    return (
        f"{found.chosen} against {found.other}: {found.difference:+.4f} in {found.metric} ({found.low:+.4f} to "
        f"{found.high:+.4f}, paired, {found.n:,} rows of validation). The first candidate stays unless a later one is "
        "better beyond doubt."
    )


def _expectations(expected: Expected | None) -> list[dict[str, Any]]:
    """Return Great Expectations' verdicts with their names as words."""
    return [
        {
            "what": " ".join(re.findall(r"[A-Z][a-z]*", one.expectation.removeprefix("Expect"))).lower(),
            "limits": ", ".join(
                f"{name.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
                for name, value in one.arguments.items()
            ),
            "observed": one.observed,
            "success": one.success,
        }
        for one in (expected.expectations if expected else ())
    ]
