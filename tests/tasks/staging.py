"""The results of a build on the sample, stage by stage."""

from dataclasses import dataclass
from typing import Any

from components.artefacts.build import Build, open_build
from components.builds.packaging import PackagedBuild
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
    snapshot: Snapshot
    validated: Validated
    expected: Expected
    prepared: Prepared
    trained: Trained
    evaluated: Evaluated
    gates: GateReport
    packaged: PackagedBuild
    registered: Registered

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
    trained = compress.fn(workload, trained, prepared, home, settings)
    evaluated = evaluate.fn(workload, trained, prepared, home)
    evaluated = rehearse.fn(workload, trained, prepared, evaluated, home, settings)
    audited = audit.fn(workload, prepared)
    gates = gate.fn(workload, evaluated, audited, prepared)
    packaged = package.fn(workload, snapshot, validated, expected, prepared, trained, evaluated, gates, home, settings)
    registered = register.fn(workload, packaged, trained, evaluated, gates.passed, home, settings)
    return Staged(
        workload,
        home,
        settings,
        snapshot,
        validated,
        expected,
        prepared,
        trained,
        evaluated,
        gates,
        packaged,
        registered,
    )
