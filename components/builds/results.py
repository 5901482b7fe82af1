"""What the stages around a build hand on."""

from pathlib import Path

from pydantic import Field

from components.compression.results import Compressed, spent_on
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.evaluation.evidence import Evaluated
from components.gates.judge import GateReport
from components.result import Result
from components.training.results import Spent, Trained


class Rehearsed(Result):
    """What a rehearsal found."""

    digest: str
    evidence: Path = Field(description="The rungs of the ladder, the stages of a request and their measures.")
    files: dict[str, str] = Field(description="The SHA-256 of each file that was rehearsed.")


class BuildInputs(Result):
    """What the stages before packaging returned: all that a build is made of."""

    snapshot: Snapshot
    validated: Validated
    expected: Expected
    prepared: Prepared
    trained: Trained
    compressed: Compressed
    evaluated: Evaluated
    rehearsed: Rehearsed
    gates: GateReport

    @property
    def spent(self) -> Spent:
        """What it took to make what ships."""
        return spent_on(self.trained, self.compressed)
