"""What the leakage audit finds."""

from typing import Literal

from pydantic import Field

from components.result import Result

Kind = Literal[
    "row_in_two_splits",
    "near_duplicate_rows",
    "near_duplicate_text",
    "group_in_two_splits",
    "time_order",
    "feature_predicts_label",
    "row_order_predicts_label",
    "identifier_predicts_label",
    "known_only_afterwards",
]


class Finding(Result):
    """One leak: what it is, where, how strong, in a line for people."""

    kind: Kind
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
