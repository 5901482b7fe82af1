"""What a dossier and a model card are about: everything that was found of a build."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.data.results import Expected, Prepared, Validated
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence
from components.gates.judge import GateReport
from components.training.results import Spent, Trained
from data_contracts.description.spec import ContractSpec


@dataclass(frozen=True)
class Subject:
    """What a dossier is about; what a kind has not (say, no training record) is None and left out."""

    workload: Workload
    contract: ContractSpec
    evidence: Evidence
    report: GateReport
    validated: Validated | None = None
    expected: Expected | None = None
    prepared: Prepared | None = None
    trained: Trained | None = None
    spent: Spent | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)
    # Stage of the pipeline to the seconds it took.
    stages: Mapping[str, float] = field(default_factory=dict)
    limits: Sequence[str] = ()
