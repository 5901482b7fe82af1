"""What ships and what it took: variants, ladder and stages of a request; time and money, candidates, learning curve."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from components.reports.charts import learning
from components.reports.subject import Subject
from components.training.results import read_trials

TRIALS = ("finished", "pruned", "failed")


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says in "What ships" and "What it took"."""
    tables = subject.evidence.tables
    return {
        "compression": tables.get("variants"),
        "ladder": tables.get("ladder"),
        "budget": tables.get("stages"),
        "stages": list(subject.stages.items()),
        "cost": _cost(subject),
        "choice": _choice(subject),
        "candidates": _candidates(subject),
        "learning": _learning(tables),
    }


def _cost(subject: Subject) -> dict[str, str]:
    trained = subject.trained
    if trained is None:
        return {}
    spent = subject.spent or trained.spent
    cpu = f", {spent.cpu_seconds:.0f} s of processor time" if spent.cpu_seconds is not None else ""
    lines = {
        "training": f"{spent.seconds:.0f} s on the clock{cpu}",
        "ended": trained.ended,
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
            "role": one.role,
            "score": f"{one.score:.4f}",
            "seconds": f"{one.seconds:.1f}",
            "chosen": one.name == subject.trained.chosen,
        }
        for one in subject.trained.candidates
    ]


def _learning(tables: Mapping[str, Any]) -> list[dict[str, Any]]:
    drawn = []
    for found in tables.get("learning", []):
        losses = [(epoch["training_loss"], epoch["validation_loss"]) for epoch in found["epochs"]]
        drawn.append({**found, "svg": Markup(learning(losses, found["kept"]))})
    return drawn


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
