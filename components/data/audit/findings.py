"""What the leakage audit finds."""

from pydantic import Field

from components.result import Result


class Finding(Result):
    """One leak: what it is, where, how strong, in a line for people."""

    kind: str = Field(description="What was found, such as row_in_two_splits; a kind of model may have its own.")
    field: str | None = None
    split: str | None = None
    score: float = Field(description="An AUC, or a share: of repeated rows and texts what chance does not explain.")
    limit: float
    text: str


class Audited(Result):
    """Every finding of an audit, and which of its limits the workload file sets otherwise than by default."""

    digest: str
    findings: tuple[Finding, ...]
    declared: tuple[str, ...] = ()
