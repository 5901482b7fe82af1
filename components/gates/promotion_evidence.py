"""What can be measured only when a build is about to serve, as evidence for the gates of a promotion."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.evaluation.evidence import Evidence, Measure
from components.gates.judge import GateReport


@dataclass(frozen=True)
class LiveMeasures:
    """What was seen of a build on the machine that is about to serve it.

    ``environment`` are the packages that differ from the pinned set, ``champion`` the gains over the build that serves
    now on the same rows, of the whole and of slices.
    """

    environment: Sequence[str]
    broken_rungs: float | Measure
    live_parity: float
    latency_p95_ms: float | Measure
    serving_usd_per_1000: float | Measure
    champion: Sequence[Measure] = ()


def promotion_evidence(workload: str, model: str, build: GateReport, seen: LiveMeasures) -> Evidence:
    """Return what was seen, and what the gates of the build had refused: a refused build is never promoted."""
    refused = [] if build.passed else [verdict.gate for verdict in build.refused] or ["the report as a whole"]
    measures: tuple[Measure, ...] = (
        _measure("refused_build_gates", len(refused), ", ".join(refused)),
        _measure("environment_differences", len(seen.environment), ", ".join(seen.environment)),
        _measure("broken_rungs", seen.broken_rungs),
        _measure("live_parity", seen.live_parity),
        _measure("latency_p95_ms", seen.latency_p95_ms),
        _measure("serving_usd_per_1000", seen.serving_usd_per_1000),
        *seen.champion,
    )
    return Evidence(workload=workload, model=model, split="promotion", measures=measures)


def _measure(name: str, value: float | Measure, detail: str = "") -> Measure:
    if isinstance(value, Measure):
        return value.model_copy(update={"name": name})
    return Measure(name=name, value=value, source="promotion", detail=detail)
