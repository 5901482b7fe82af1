"""The results of a build on the sample, stage by stage."""

from dataclasses import dataclass

from components.build import Build, open_build
from components.data_results import Prepared, Snapshot, Validated
from components.declaration import Workload
from components.evidence import Evaluated
from components.gates import GateReport
from components.model_results import Trained
from components.packaging import PackagedBuild
from components.registry import Registered
from components.settings import Home, Settings


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
