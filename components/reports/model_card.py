"""The model card: what a build is for, what it saw, how good it is, and its limits (Mitchell et al. 2019)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.evaluation.evidence import Evidence
from components.gates.judge import GateReport
from components.markdown import cell
from components.reports.chapters.data import SHIFTS
from components.reports.subject import Subject


def write_card(subject: Subject) -> str:
    """Return the card of a build, whose data and training are known, as Markdown."""
    workload, trained, tables = subject.workload, subject.trained, subject.evidence.tables
    assert trained is not None
    parts = [
        [f"# {workload.name}: {cell(trained.chosen)}", "", cell(workload.goal.statement), ""],
        _plain(subject.report),
        _use(subject),
        _data(subject),
        _quality(subject.evidence),
        _shipped(tables.get("variants")),
        _gates(subject.report),
        _training(subject),
    ]
    return "\n".join(line for part in parts for line in part)


def _use(subject: Subject) -> list[str]:
    return [
        "## Intended use and limits",
        "",
        f"Answers rows of the contract `{subject.workload.contract}`. It was measured on the hold-out"
        " below and on nothing else: other periods, places or groups are outside of its evidence, and the drift"
        " report says how far later data has moved.",
        "",
    ]


def _data(subject: Subject) -> list[str]:
    """Return the splits, what was set aside and why, and how far from training the other splits are."""
    validated, expected, prepared = subject.validated, subject.expected, subject.prepared
    assert validated is not None
    assert expected is not None
    assert prepared is not None
    splits = [
        [cell(split.name), f"{split.rows:,}", split.start or "", split.end or ""] for split in prepared.splits.values()
    ]
    shifts = [[cell(one.field), cell(one.split), f"{one.distance:.3f}"] for one in prepared.shifts[:SHIFTS]]
    judged = [
        f"- {'kept' if one.success else 'broken'}: {cell(one.expectation)} {cell(one.arguments)}, "
        f"observed {cell(one.observed)} ({cell(one.basis)})"
        for one in expected.expectations
    ]
    return [
        "## Data",
        "",
        *_table(("split", "rows", "from", "to"), splits),
        *([f"- {prepared.left_out:,} kept rows lie in no split"] if prepared.left_out else []),
        *(f"- {count:,} rows refused: {cell(reason)}" for reason, count in validated.reasons.items()),
        *judged,
        "",
        "Farthest from training (0 is alike, 1 has nothing in common):",
        "",
        *_table(("field", "split", "distance"), shifts),
    ]


def _quality(evidence: Evidence) -> list[str]:
    rows = [
        [cell(one.name), f"{one.value:.4f}", _interval(one.low, one.high), str(one.n or "")]
        for one in evidence.measures
        if one.slice is None
    ]
    head = (f"measure on {evidence.split}", "value", "95 % interval", "rows")
    return ["## How good it is", "", *_table(head, rows)]


def _gates(report: GateReport) -> list[str]:
    rows = [[cell(one.gate), one.state, cell(one.reason), cell(one.figures)] for one in report.verdicts]
    # Where it fails is said above.
    warnings = [warning for warning in report.warnings if warning not in report.fails]
    return [
        "## Gates",
        "",
        *_table(("gate", "state", "reason", "figures"), rows),
        *(f"Warning: {cell(warning)}.\n" for warning in warnings),
    ]


def _training(subject: Subject) -> list[str]:
    trained = subject.trained
    assert trained is not None
    spent = subject.spent or trained.spent
    return [
        f"Trained on {trained.hardware.device} ({trained.hardware.reason}) in {spent.seconds:.0f} s "
        f"for {spent.cost_usd:.4f} USD, seed {trained.seed}; ended: {cell(trained.ended)}.",
        "",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _plain(report: GateReport) -> list[str]:
    """Return what the model is good for and where it fails."""
    good, bad = [f"- {cell(said)}" for said in report.good_for], [f"- {cell(said)}." for said in report.fails]
    if not good and not bad:
        return []
    nothing = "- Nothing was found on this hold-out."
    return ["## Good for", "", *(good or [nothing]), "", "## Where it fails", "", *(bad or [nothing]), ""]


def _shipped(variants: Mapping[str, Any] | None) -> list[str]:
    """Return which graph ships and what the others would have saved and lost."""
    if variants is None:
        return []
    rows = [[cell(one["name"]), _speed(one["speed"]), cell(one["verdict"])] for one in variants["variants"]]
    speed = f"microseconds of one row / {variants['batch_rows']} rows"
    chosen = f"{cell(variants['chosen'])}: {cell(variants['reason'])}."
    return ["## What ships", "", chosen, "", *_table(("graph", speed, "verdict"), rows)]


def _speed(speed: Mapping[str, float] | None) -> str:
    return f"{speed['row_us']:.0f} / {speed['batch_us']:.0f}" if speed else ""


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
