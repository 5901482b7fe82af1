"""The results of a build on the sample, stage by stage."""

from dataclasses import dataclass
from typing import Any

from components.artefacts.build import Build, open_build
from components.builds.inputs import BuildInputs
from components.builds.packaging import PackagedBuild
from components.builds.part import ServedPart
from components.builds.results import Measured
from components.builds.signing import public_key_path
from components.catalog import find_kind
from components.compression.part import CompressionPart
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.declaration.loading import contract_of, parse_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated
from components.evaluation.part import EvaluationPart
from components.gates.judge import GateReport
from components.gates.part import GatesPart
from components.registry.versions import Registered
from components.settings import Home, Settings
from components.training.part import TrainingPart
from components.training.results import Trained
from tasks.audit import audit
from tasks.compress import compress
from tasks.evaluate import evaluate
from tasks.expect import expect
from tasks.gate import gate
from tasks.ingest import ingest
from tasks.package import package
from tasks.prepare import prepare
from tasks.register import register
from tasks.rehearse import rehearse
from tasks.train import train
from tasks.validate import validate


@dataclass(frozen=True)
class Staged:
    """Every result of a build on the sample."""

    workload: Workload
    home: Home
    settings: Settings
    inputs: BuildInputs
    packaged: PackagedBuild
    registered: Registered

    @property
    def snapshot(self) -> Snapshot:
        return self.inputs.snapshot

    @property
    def validated(self) -> Validated:
        return self.inputs.validated

    @property
    def expected(self) -> Expected:
        return self.inputs.expected

    @property
    def prepared(self) -> Prepared:
        return self.inputs.prepared

    @property
    def trained(self) -> Trained:
        return self.inputs.trained

    @property
    def evaluated(self) -> Evaluated:
        return self.inputs.evaluated

    @property
    def gates(self) -> GateReport:
        return self.inputs.gates

    @property
    def build(self) -> Build:
        return open_build(self.packaged.path, public_key_path(self.settings.key()))


def ingested(workload: Workload, home: Home) -> Snapshot:
    return ingest.fn(workload.source, contract_of(workload), home)


def validated_of(workload: Workload, snapshot: Snapshot, home: Home) -> Validated:
    return validate.fn(snapshot, contract_of(workload), workload.name, home)


def prepared_of(workload: Workload, validated: Validated, home: Home) -> Prepared:
    return prepare.fn(
        validated, workload.split, workload.features, contract_of(workload), find_kind(workload.kind).preparation, home
    )


def trained_of(workload: Workload, prepared: Prepared, home: Home, settings: Settings) -> Trained:
    part, kind = TrainingPart.of(workload), find_kind(workload.kind)
    return train.fn(part, prepared, kind, contract_of(workload), home, settings)


def stage_all(document: dict[str, Any], home: Home) -> Staged:
    """Make a build of a workload, stage by stage."""
    settings = Settings()
    workload = parse_workload(document, where="sample.yaml")
    contract, kind = contract_of(workload), find_kind(workload.kind)
    snapshot = ingested(workload, home)
    validated = validated_of(workload, snapshot, home)
    expected = expect.fn(validated, contract, workload.name, home)
    prepared = prepared_of(workload, validated, home)
    trained = trained_of(workload, prepared, home, settings)
    compressed = compress.fn(CompressionPart.of(workload), trained, prepared, kind, contract, home, settings)
    shipped = compressed.shipped
    evaluated = evaluate.fn(EvaluationPart.of(workload), trained, shipped, prepared, kind, contract, home)
    served = ServedPart.of(workload)
    rehearsed = rehearse.fn(served, shipped, prepared, evaluated.answers, kind, contract, home, settings)
    measured = Measured(
        prepared=prepared,
        audited=audit.fn(prepared, workload.audit, contract, find_kind(workload.kind).preparation),
        trained=trained,
        compressed=compressed,
        evaluated=evaluated,
        rehearsed=rehearsed,
        usd_per_hour=settings.price_per_hour,
    )
    gates = gate.fn(GatesPart.of(workload), measured, kind)
    inputs = BuildInputs(**dict(measured), snapshot=snapshot, validated=validated, expected=expected, gates=gates)
    packaged = package.fn(workload, inputs, kind, contract, home, settings)
    registered = register.fn(workload, packaged, trained, gates.passed, home, settings)
    return Staged(workload, home, settings, inputs, packaged, registered)
