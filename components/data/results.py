"""What the data stages hand on: digests, references, counts and small values, frozen, ready for JSON. Never rows.

What is ``stored`` is a reference into the store; asked for as ``path``, ``mask``, ... it is a path of this machine.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import polars as pl
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
        None, alias="features", description="What the kind made of the rows; None if it reads the rows."
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


class Made(NamedTuple):
    """What a kind made of raw splits in their folder: names of its own files, what training must know, rows to report.

    Beside a split's rows may lie its features, ``<split>.features.parquet``.
    """

    assets: tuple[str, ...] = ()
    facts: Mapping[str, Any] = MappingProxyType({})
    # Raw rows of each split, if they were read anyway.
    samples: Mapping[str, pl.DataFrame] | None = None


class Prepared(Result):
    """Splits, and what the kind made of them."""

    digest: str
    stored: Reference = Field(alias="path")
    splits: dict[str, Split]
    shifts: tuple[FieldShift, ...] = Field((), description="Every field in every split against training.")
    stored_assets: dict[str, Reference] = Field(
        default_factory=dict, alias="assets", description="Files of the kind's own, such as a recipe."
    )
    facts: dict[str, Any] = Field(default_factory=dict, description="What the kind noted for training.")
    snapshot: str = Field("", description="Digest of the data version.")
    by: Literal["time", "random", "stratified", "group"] | None = Field(
        None, description="The rule of the split; None in a record from before it was kept."
    )
    left_out: int = Field(0, description="Kept rows that lie in no split: outside of every period.")

    @property
    def path(self) -> Path:
        return self.stored.local()

    @property
    def assets(self) -> dict[str, Path]:
        return {name: one.local() for name, one in self.stored_assets.items()}
