"""The evidence of a build: what every stage on the way measured, in one document."""

from typing import Any

from components.builds.results import Rehearsed
from components.compression.results import Compressed, spent_on
from components.evaluation.evidence import Evaluated, Evidence, Measure, read_evidence
from components.training.results import Trained


def build_evidence(trained: Trained, compressed: Compressed, evaluated: Evaluated, rehearsed: Rehearsed) -> Evidence:
    """Return what was measured on the hold-out, of the smaller graphs, in the rehearsal, and what it all took."""
    found = read_evidence(evaluated.evidence)
    costs = found.model_copy(
        update={"measures": tuple(cost_measures(trained, compressed)), "tables": {"variants": _variants(compressed)}}
    )
    return found.with_results(costs, read_evidence(rehearsed.evidence))


def _variants(compressed: Compressed) -> dict[str, Any]:
    # Where the graphs lie says nothing to who reads the evidence.
    left_out = {"variants": {"__all__": {"model"}}}
    return compressed.compression.model_dump(mode="json", exclude=left_out)


def cost_measures(trained: Trained, compressed: Compressed) -> list[Measure]:
    """Return what it took to make what ships, what had been estimated, and how large it is."""
    spent = spent_on(trained, compressed)
    counted = []
    if (energy := spent.energy) is not None:
        counted.append(
            Measure(
                name="energy_wh",
                value=energy.wh,
                source="training",
                unit="Wh",
                detail=f"{energy.source}: {energy.detail}",
            )
        )
    if (memory := trained.memory) is not None:
        counted.append(
            Measure(name="peak_memory_mb", value=memory.mb, source="training", unit="MB", detail=memory.detail)
        )
        if memory.card_mb is not None:
            counted.append(Measure(name="card_memory_mb", value=memory.card_mb, source="training", unit="MB"))
    if trained.estimate is not None:
        said = trained.estimate
        for name, value, unit, detail in (
            ("estimated_seconds", said.seconds, "s", said.text),
            ("estimated_usd", said.usd, "USD", said.money_text),
            ("estimated_memory_mb", said.memory_mb, "MB", said.memory_text),
        ):
            if value is not None:
                counted.append(Measure(name=name, value=value, source="estimate", unit=unit, detail=detail))
    cut = trained.cut_off
    return [
        *counted,
        Measure(name="trainings_cut_off", value=float(bool(cut)), source="training", detail=cut),
        Measure(name="training_usd", value=spent.cost_usd, source="training", unit="USD"),
        Measure(name="training_seconds", value=spent.seconds, source="training", unit="s"),
        Measure(name="model_mb", value=compressed.shipped.model.stat().st_size / 1e6, source="training", unit="MB"),
    ]
