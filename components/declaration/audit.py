"""The ``audit`` section of a workload file: from where on the leakage audit calls something a leak."""

from pydantic import Field

from components.declaration.section import Section


class AuditLimits(Section):
    """Limits of the leakage audit; leave one out and its default holds. A share is of a later split's rows."""

    duplicates: float = Field(0.001, ge=0, le=1, description="Share of rows whose inputs an earlier split has, too.")
    near_duplicates: float = Field(
        0.01, ge=0, le=1, description="The same for rows alike but for rounding, time and identifiers, beyond chance."
    )
    near_duplicate_texts: float = Field(0.01, ge=0, le=1, description="The same for texts, field by field.")
    text_similarity: float = Field(
        0.8, gt=0, le=1, description="Jaccard similarity of two texts from which they count as the same."
    )
    shared_groups: float = Field(0.0, ge=0, le=1, description="Share of a split's groups that an earlier one has, too.")
    time_overlap: float = Field(
        0.0, ge=0, le=1, description="Share of rows, split by time, from before the end of an earlier split."
    )
    feature_auc: float = Field(
        0.95, gt=0.5, le=1, description="AUC that no single honest feature reaches for yes or no, or for a class."
    )
    number_auc: float = Field(
        0.999, gt=0.5, le=1, description="The same of a label that is a number: an honest field may tell its half."
    )
    order_auc: float = Field(0.75, gt=0.5, le=1, description="AUC of the row's place in the file.")
    identifier_auc: float = Field(0.75, gt=0.5, le=1, description="AUC of an identifier, or of its place in the order.")

    def declared(self) -> tuple[str, ...]:
        """Say which limits differ from their defaults, a line each; empty if none does."""
        defaults = AuditLimits()
        return tuple(
            f"audit.{name} is {getattr(self, name):g}, by default {getattr(defaults, name):g}"
            for name in type(self).model_fields
            if getattr(self, name) != getattr(defaults, name)
        )
