"""What the data stages hand on: digests, paths, counts and small values, frozen, ready for JSON. Never rows."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import Field

from components.result import Result
from data_contracts.language.validation import ExpectationResult


class Snapshot(Result):
    """Immutable Parquet of everything a build saw; ``digest`` is the data version."""

    digest: str = Field(description="The same for the same rows, whatever the files they came in and their order.")
    path: Path
    rows: int
    columns: dict[str, str] = Field(description="Field name to the contract's type.")
    source: str = Field(description="Where the rows came from, for people.")
    without_nan: tuple[str, ...] = Field((), description="Number fields without NaN, of which Parquet does not tell.")


class Validated(Result):
    """Which rows of a snapshot keep the contract, and where the others went."""

    digest: str
    path: Path = Field(description="The snapshot's rows, of which the mask says which are kept.")
    mask: Path = Field(description="Parquet with one boolean column, ``kept``: a value for each row of the snapshot.")
    rows: int
    quarantined: int
    quarantine: Path | None
    reasons: dict[str, int] = Field(description="Refused rows by reason; a row with two reasons counts in both.")
    snapshot: str = Field("", description="Digest of the data version.")


class Expected(Result):
    """How the kept rows were judged as a whole, and the pages about it."""

    expectations: tuple[ExpectationResult, ...] = ()
    docs: Path | None = None


class Split(Result):
    """One split: raw contract rows, its size and, where the contract has them, label share and time range."""

    name: str
    path: Path
    features: Path | None = Field(None, description="What the kind made of the rows; None if it reads the rows.")
    rows: int
    positives: float | None = Field(description="Share of rows whose label is true; None for labels of other types.")
    start: str | None = None
    end: str | None = None


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
    path: Path
    splits: dict[str, Split]
    shifts: tuple[FieldShift, ...] = Field((), description="Every field in every split against training.")
    assets: dict[str, Path] = Field(default_factory=dict, description="Files of the kind's own, such as a recipe.")
    facts: dict[str, Any] = Field(default_factory=dict, description="What the kind noted for training.")
    snapshot: str = Field("", description="Digest of the data version.")
    by: Literal["time", "random", "stratified", "group"] | None = Field(
        None, description="The rule of the split; None in a record from before it was kept."
    )
    left_out: int = Field(0, description="Kept rows that lie in no split: outside of every period.")
