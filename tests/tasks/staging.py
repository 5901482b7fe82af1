"""The results of a build on the sample, stage by stage."""

from dataclasses import dataclass
from typing import Any

from components.artefacts.build import Build, open_build
from components.builds.packaging import PackagedBuild
from components.builds.results import BuildInputs
from components.builds.signing import public_key_path
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.declaration.loading import parse_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated
from components.gates.judge import GateReport
from components.registry.versions import Registered
from components.settings import Home, Settings
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


def stage_all(document: dict[str, Any], home: Home) -> Staged:
    """Make a build of a workload, stage by stage."""
    settings = Settings()
    workload = parse_workload(document, where="sample.yaml")
    snapshot = ingest.fn(workload, home)
    validated = validate.fn(workload, snapshot, home)
    expected = expect.fn(workload, validated, home)
    prepared = prepare.fn(workload, validated, home)
    trained = train.fn(workload, prepared, home, settings)
    compressed = compress.fn(workload, trained, prepared, home, settings)
    evaluated = evaluate.fn(workload, trained, compressed, prepared, home)
    rehearsed = rehearse.fn(workload, compressed, prepared, evaluated, home, settings)
    audited = audit.fn(workload, prepared)
    gates = gate.fn(workload, trained, compressed, evaluated, rehearsed, audited, prepared)
    inputs = BuildInputs(
        snapshot=snapshot,
        validated=validated,
        expected=expected,
        prepared=prepared,
        trained=trained,
        compressed=compressed,
        evaluated=evaluated,
        rehearsed=rehearsed,
        gates=gates,
    )
    packaged = package.fn(workload, inputs, home, settings)
    registered = register.fn(workload, packaged, trained, gates.passed, home, settings)
    return Staged(workload, home, settings, inputs, packaged, registered)
