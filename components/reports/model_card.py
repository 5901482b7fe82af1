"""The model card: what a build is for, what it saw, how good it is, and its limits (Mitchell et al. 2019)."""

from collections.abc import Mapping
from typing import Any

from components.gates.judge import GateReport
from components.markdown import cell
from components.reports.dossier import Subject

SHIFTS = 8


def write_card(subject: Subject) -> str:
    """Return the card of a build, whose data and training are known, as Markdown."""
    workload, evidence, report = subject.workload, subject.evidence, subject.report
    validated, expected, prepared, trained = subject.validated, subject.expected, subject.prepared, subject.trained
    assert validated is not None
    assert expected is not None
    assert prepared is not None
    assert trained is not None
    spent = subject.spent or trained.spent
    measures = [
        f"| {cell(m.name)} | {m.value:.4f} | {_interval(m.low, m.high)} | {m.n or ''} |"
        for m in evidence.measures
        if m.slice is None
    ]
    splits = [
        f"| {cell(split.name)} | {split.rows:,} | {split.start or ''} | {split.end or ''} |"
        for split in prepared.splits.values()
    ]
    gates = [f"| {cell(v.gate)} | {v.state} | {cell(v.reason)} | {cell(v.figures)} |" for v in report.verdicts]
    warnings = [warning for warning in report.warnings if warning not in report.fails]
    refused = [f"- {count:,} rows refused: {cell(reason)}" for reason, count in validated.reasons.items()]
    judged = [
        f"- {'kept' if one.success else 'broken'}: {cell(one.expectation)} {cell(one.arguments)}, "
        f"observed {cell(one.observed)} ({cell(one.basis)})"
        for one in expected.expectations
    ]
    shifts = [
        f"| {cell(shift.field)} | {cell(shift.split)} | {shift.distance:.3f} |" for shift in prepared.shifts[:SHIFTS]
    ]
    return "\n".join(
        [
            f"# {workload.name}: {cell(trained.chosen)}",
            "",
            cell(workload.goal.statement),
            "",
            *_plain(report),
            "## Intended use and limits",
            "",
            f"Answers rows of the contract `{workload.contract}`. It was measured on the hold-out"
            " below and on nothing else: other periods, places or groups are outside of its evidence, and the drift"
            " report says how far later data has moved.",
            "",
            "## Data",
            "",
            "| split | rows | from | to |",
            "| --- | --- | --- | --- |",
            *splits,
            "",
            *([f"- {prepared.left_out:,} kept rows lie in no split"] if prepared.left_out else []),
            *refused,
            *judged,
            "",
            "Farthest from training (0 is alike, 1 has nothing in common):",
            "",
            "| field | split | distance |",
            "| --- | --- | --- |",
            *shifts,
            "",
            "## How good it is",
            "",
            f"| measure on {evidence.split} | value | 95 % interval | rows |",
            "| --- | --- | --- | --- |",
            *measures,
            "",
            *_shipped(evidence.tables.get("variants")),
            "## Gates",
            "",
            "| gate | state | reason | figures |",
            "| --- | --- | --- | --- |",
            *gates,
            "",
            *(f"Warning: {cell(warning)}.\n" for warning in warnings),
            f"Trained on {trained.hardware.device} ({trained.hardware.reason}) in {spent.seconds:.0f} s "
            f"for {spent.cost_usd:.4f} USD, seed {trained.seed}; ended: {trained.stopped}.",
            "",
        ]
    )


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
    rows = [
        f"| {cell(one['name'])} | {_speed(one['speed'])} | {cell(one['verdict'])} |" for one in variants["variants"]
    ]
    return [
        "## What ships",
        "",
        f"{cell(variants['chosen'])}: {cell(variants['reason'])}.",
        "",
        f"| graph | microseconds of one row / {variants['batch_rows']} rows | verdict |",
        "| --- | --- | --- |",
        *rows,
        "",
    ]


def _speed(speed: Mapping[str, float] | None) -> str:
    return f"{speed['row_us']:.0f} / {speed['batch_us']:.0f}" if speed else ""


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
