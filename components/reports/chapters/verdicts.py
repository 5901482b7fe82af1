"""The head of a dossier and its verdicts: what it is, whether it passed, the figures that the goal names."""

from datetime import UTC, datetime
from typing import Any

from components.evaluation.evidence import Measure
from components.gates.judge import GateReport
from components.gates.texts import number
from components.reports.subject import Subject

STATES = ("failed", "undecided", "passed")


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says under the heading, and in "Gates"."""
    report = subject.report
    return {
        "workload": subject.workload,
        "contract": subject.contract,
        "evidence": subject.evidence,
        "report": report,
        "made": datetime.now(UTC).strftime("%-d %B %Y, %H:%M UTC"),
        "refused_line": _refused_line(report),
        "cards": _cards(subject),
        "verdicts": sorted(report.verdicts, key=lambda verdict: STATES.index(verdict.state)),
        # Where it fails stands at the top.
        "warnings": [warning for warning in report.warnings if warning not in report.fails],
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
