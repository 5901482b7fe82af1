"""What the stages around a build hand on."""

from pathlib import Path

from pydantic import Field

from components.compression.results import Compressed, spent_on
from components.data.audit.findings import Audited
from components.data.results import Prepared
from components.evaluation.evidence import Evaluated
from components.result import Result
from components.store.reference import Reference
from components.training.results import Spent, Trained


class Rehearsed(Result):
    """What a rehearsal found."""

    digest: str
    stored_evidence: Reference = Field(
        alias="evidence", description="The rungs of the ladder, the stages of a request and their measures."
    )
    files: dict[str, str] = Field(description="The SHA-256 of each file that was rehearsed.")

    @property
    def evidence(self) -> Path:
        return self.stored_evidence.local()


class Measured(Result):
    """What is judged: everything that was measured of what ships and of the data it was made of."""

    prepared: Prepared
    audited: Audited
    trained: Trained
    compressed: Compressed
    evaluated: Evaluated
    rehearsed: Rehearsed
    usd_per_hour: float = Field(description="What the machine costs that it was made on.")

    @property
    def spent(self) -> Spent:
        """What it took to make what ships."""
        return spent_on(self.trained, self.compressed, self.usd_per_hour)
