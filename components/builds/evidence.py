"""The evidence of a build: what every stage on the way measured, in one document."""

from datetime import date
from typing import Any

from components.builds.results import Measured
from components.compression.results import Compressed
from components.evaluation.evidence import Evidence, Measure, read_evidence
from components.evaluation.hold_out import leakage_measure


def build_evidence(measured: Measured) -> Evidence:
    """Return what was measured on the hold-out, of the smaller graphs, in the rehearsal, and what it all took."""
    found = read_evidence(measured.evaluated.evidence)
    costs = found.model_copy(
        update={"measures": tuple(cost_measures(measured)), "tables": {"variants": _variants(measured.compressed)}}
    )
    return found.with_results(costs, read_evidence(measured.rehearsed.evidence))


def data_measures(measured: Measured, today: date) -> tuple[Measure, ...]:
    """Return what is known of the data: leaks that were found, and how old the newest training row is."""
    leaks = leakage_measure(measured.audited.findings, measured.audited.declared)
    newest = measured.prepared.splits["train"].end
    if newest is None:
        return (leaks,)
    days = (today - date.fromisoformat(newest[:10])).days
    return leaks, Measure(name="data_age_days", value=days, source="split report", unit="days")


def _variants(compressed: Compressed) -> dict[str, Any]:
    # Where the graphs lie says nothing to who reads the evidence.
    left_out = {"variants": {"__all__": {"model"}}}
    return compressed.compression.model_dump(mode="json", exclude=left_out)


def cost_measures(measured: Measured) -> list[Measure]:
    """Return what it took to make what ships, what had been estimated, and how large it is."""
    trained, compressed, spent = measured.trained, measured.compressed, measured.spent
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
