"""Intended use, limits and lineage: what the model answers, what nobody knows of it, and where it comes from."""

from typing import Any

from components.declaration.targets import target_of
from components.reports.subject import Subject


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says in "Model card" and "Lineage"."""
    return {"answered_with": _answered_with(subject), "limits": _limits(subject), "lineage": _lineage(subject)}


def _answered_with(subject: Subject) -> str:
    """Say what the model answers, as a person would."""
    said = {
        "binary": "the probability of",
        "multiclass": "a probability for each class of",
        "regression": "its best guess of",
    }
    label, quantiles = subject.contract.label, subject.evidence.tables.get("quantiles")
    more = f", with the quantiles {', '.join(format(q['level'], 'g') for q in quantiles)}" if quantiles else ""
    which = f" = {label.allowed[1]}" if target_of(subject.contract) == "binary" and label.allowed else ""
    return said.get(target_of(subject.contract), "an answer about") + f" {label.name}{which}{more}"


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
