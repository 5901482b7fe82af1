"""What a kind measures of its models beside what those of every kind are measured by."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from components.artefacts.inference import Parts
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.hold_out import HoldOut
from data_contracts.description.spec import ContractSpec


@dataclass(frozen=True)
class Further:
    """Measures, which gates may judge, and tables: small JSON, such as pictures for the dossier."""

    measures: tuple[Measure, ...] = ()
    tables: dict[str, Any] = field(default_factory=dict)


class MeasureFurther(Protocol):
    """Measures what ships (``parts``) with its answers on the hold-out at hand."""

    def __call__(self, hold_out: HoldOut, parts: Parts, contract: ContractSpec) -> Further: ...


def with_further(evidence: Evidence, more: Further) -> Evidence:
    """Return evidence with what a kind measured; nothing that is measured of every kind may be another number."""
    taken = {measure.name for measure in evidence.measures} & {measure.name for measure in more.measures}
    taken |= evidence.tables.keys() & more.tables.keys()
    assert not taken, f"the kind's own measures and tables need names of their own: {', '.join(sorted(taken))}"
    found = evidence.with_measures(*more.measures)
    return found.model_copy(update={"tables": found.tables | more.tables})
