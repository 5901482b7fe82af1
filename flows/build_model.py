"""From raw data to a registered challenger.

Run it with ``slipway build WORKLOAD``, from the Prefect UI, or on a schedule (prefect.yaml).
"""

from typing import Annotated

from prefect import flow
from pydantic import Field

from components.artefacts.errors import GateError
from components.builds.inputs import BuildInputs
from components.builds.packaging import PackagedBuild
from components.builds.part import ServedPart
from components.builds.results import Measured
from components.compression.part import CompressionPart
from components.data.versions import find_version
from components.evaluation.part import EvaluationPart
from components.gates.part import GatesPart
from components.registry.versions import Registered
from components.training.part import TrainingPart
from flows.data_stages import checked_and_prepared
from flows.opening import opened
from tasks.audit import audit
from tasks.compress import compress
from tasks.evaluate import evaluate
from tasks.gate import gate
from tasks.ingest import ingest
from tasks.package import package
from tasks.register import register
from tasks.rehearse import rehearse
from tasks.train import train

# Prefect's form takes bounds from the annotation and the description from the docstring's Args. What may be left out is
# an empty text there: of a field that may also be null the form shows "Property is type None".
WorkloadName = Annotated[str, Field(min_length=1, max_length=4_000)]
DigestStart = Annotated[str, Field(max_length=64)]


class BuildOutcome(BuildInputs):
    """What a build run ended with: a registered build and what led to it."""

    packaged: PackagedBuild
    registered: Registered


class BuildRefused(GateError):
    """A build that its gates refused: it is registered all the same and kept, and ``outcome`` says all of it."""

    def __init__(self, message: str, outcome: BuildOutcome) -> None:
        super().__init__(message)
        self.outcome = outcome

    def __reduce__(self) -> tuple[type["BuildRefused"], tuple[str, BuildOutcome]]:
        # Prefect pickles what a run ended with.
        return type(self), (str(self), self.outcome)


@flow(name="build-model", validate_parameters=True)
def build_model(workload: WorkloadName = "flights", data: DigestStart = "") -> BuildOutcome:
    """Make a build of a workload; stages whose data, code, settings and environment are unchanged are cached.

    A build that its gates refuse is registered and kept, and then BuildRefused is raised: the run is a failed one.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        data: First characters of a data version's digest; the source is read if left empty.
    """
    with opened(workload, "build-model", alone=True) as run:
        declared, home, settings = run.workload, run.home, run.settings
        contract, kind = run.contract, run.kind
        snapshot = find_version(data, home, contract) if data else ingest(declared.source, contract, home)
        validated, expected, prepared = checked_and_prepared(declared, contract, kind, snapshot, home)
        audited = audit(prepared, declared.audit, contract, kind.preparation)
        trained = train(TrainingPart.of(declared), prepared, kind, contract, home, settings)
        compressed = compress(CompressionPart.of(declared), trained, prepared, kind, contract, home, settings)
        shipped = compressed.shipped
        evaluated = evaluate(EvaluationPart.of(declared), trained, shipped, prepared, kind, contract, home)
        served = ServedPart.of(declared)
        rehearsed = rehearse(served, shipped, prepared, evaluated.answers, kind, contract, home, settings)
        measured = Measured(
            prepared=prepared,
            audited=audited,
            trained=trained,
            compressed=compressed,
            evaluated=evaluated,
            rehearsed=rehearsed,
            usd_per_hour=settings.price_per_hour,
        )
        gates = gate(GatesPart.of(declared), measured, kind)
        inputs = BuildInputs(**dict(measured), snapshot=snapshot, validated=validated, expected=expected, gates=gates)
        packaged = package(declared, inputs, kind, contract, home, settings)
        registered = register(declared, packaged, trained, gates.passed, home, settings)
        outcome = BuildOutcome(**dict(inputs), packaged=packaged, registered=registered)
        if not gates.passed:
            raise BuildRefused(_refusal(outcome), outcome)
    return outcome


def _refusal(outcome: BuildOutcome) -> str:
    """Return why a build was refused and where it is, on one line."""
    told = "; ".join(verdict.line for verdict in outcome.gates.refused)
    registered = outcome.registered
    return f"{registered.build_id} did not pass its gates: {told}. It is kept at {registered.build} to be looked at"
