"""The results of a build on the sample, stage by stage."""

from dataclasses import dataclass

from components.data.results import Prepared, Snapshot, Validated
from components.declaration import Workload
from components.delivery.build import Build, open_build
from components.delivery.packaging import PackagedBuild
from components.delivery.registry import Registered
from components.judgement.evidence import Evaluated
from components.judgement.gates import GateReport
from components.settings import Home, Settings
from components.training.results import Trained


@dataclass(frozen=True)
class Staged:
    """Every result of a build on the sample."""

    workload: Workload
    home: Home
    settings: Settings
    snapshot: Snapshot
    validated: Validated
    prepared: Prepared
    trained: Trained
    evaluated: Evaluated
    gates: GateReport
    packaged: PackagedBuild
    registered: Registered

    @property
    def build(self) -> Build:
        return open_build(self.packaged.path)
