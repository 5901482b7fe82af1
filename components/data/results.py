"""What the data stages hand on: digests, references, counts and small values, frozen, ready for JSON. Never rows.

What is ``stored`` is a reference into the store; asked for as ``path``, ``mask``, ... it is a path of this machine.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from components.result import Result
from components.store.reference import Reference
from data_contracts.language.validation import ExpectationResult


class Snapshot(Result):
    """Immutable Parquet of everything a build saw; ``digest`` is the data version."""

    digest: str = Field(description="The same for the same rows, whatever the files they came in and their order.")
    stored: Reference = Field(alias="path")
    rows: int
    columns: dict[str, str] = Field(description="Field name to the contract's type.")
    source: str = Field(description="Where the rows came from, for people.")
    without_nan: tuple[str, ...] = Field((), description="Number fields without NaN, of which Parquet does not tell.")

    @property
    def path(self) -> Path:
        return self.stored.local()


class Validated(Result):
    """Which rows of a snapshot keep the contract, and where the others went."""

    digest: str
    stored: Reference = Field(alias="path", description="The snapshot's rows, of which the mask says which are kept.")
    stored_mask: Reference = Field(
        alias="mask", description="Parquet with one boolean column, ``kept``: a value for each row of the snapshot."
    )
    rows: int
    quarantined: int
    stored_quarantine: Reference | None = Field(alias="quarantine")
    reasons: dict[str, int] = Field(description="Refused rows by reason; a row with two reasons counts in both.")
    snapshot: str = Field("", description="Digest of the data version.")

    @property
    def path(self) -> Path:
        return self.stored.local()

    @property
    def mask(self) -> Path:
        return self.stored_mask.local()

    @property
    def quarantine(self) -> Path | None:
        return self.stored_quarantine.local() if self.stored_quarantine else None


class Expected(Result):
    """How the kept rows were judged as a whole, and the pages about it."""

    expectations: tuple[ExpectationResult, ...] = ()
    stored_docs: Reference | None = Field(None, alias="docs")

    @property
    def docs(self) -> Path | None:
        return self.stored_docs.local() if self.stored_docs else None


class Split(Result):
    """One split: raw contract rows, its size and, where the contract has them, label share and time range."""

    name: str
    stored: Reference = Field(alias="path")
    stored_features: Reference | None = Field(
        None, alias="features", description="Recipe columns and the label as a number; set once prepared."
    )
    rows: int
    positives: float | None = Field(description="Share of rows whose label is true; None for labels of other types.")
    start: str | None = None
    end: str | None = None

    @property
    def path(self) -> Path:
        return self.stored.local()

    @property
    def features(self) -> Path | None:
        return self.stored_features.local() if self.stored_features else None


class FieldShift(Result):
    """How far a field's distribution in one split is from training's: 0 is alike, 1 has nothing in common."""

    field: str
    split: str
    distance: float


class Prepared(Result):
    """Splits with their features, and the recipe that made them."""

    digest: str
    stored: Reference = Field(alias="path")
    stored_recipe: Reference = Field(alias="recipe")
    splits: dict[str, Split]
    shifts: tuple[FieldShift, ...] = Field((), description="Every field in every split against training.")
    values: tuple[str, ...] = Field(description="Names of the float32 features, in order.")
    codes: dict[str, int] = Field(description="Names of the int64 features, in order, with their cardinalities.")
    snapshot: str = Field("", description="Digest of the data version.")
    by: Literal["time", "random", "stratified", "group"] | None = Field(
        None, description="The rule of the split; None in a record from before it was kept."
    )
    left_out: int = Field(0, description="Kept rows that lie in no split: outside of every period.")

    @property
    def path(self) -> Path:
        return self.stored.local()

    @property
    def recipe(self) -> Path:
        return self.stored_recipe.local()
