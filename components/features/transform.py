"""What a transform is: fitted on the training split, then the same columns as Polars expressions and as ONNX nodes.

Missing is one thing everywhere: null, NaN, an infinite number or an empty string.
"""

from typing import Any, Literal, Self

import msgspec
import polars as pl

from components.errors import WorkloadError
from components.features.graph import GraphBuilder
from data_contracts.spec import FieldSpec


class Feature(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column that a recipe makes: ``value`` is a float32, ``code`` an int64 in [0, cardinality)."""

    name: str
    type: Literal["value", "code"]
    cardinality: int = 0


class Transform(msgspec.Struct, frozen=True, tag_field="transform"):
    """A fitted transform of one field."""

    field: str

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, **options: Any) -> Self:
        """Learn from the training split alone; WorkloadError if the field or an option does not fit."""
        raise NotImplementedError

    def features(self) -> tuple[Feature, ...]:
        """Return the columns this makes, in order."""
        raise NotImplementedError

    def expressions(self) -> list[pl.Expr]:
        """Return one expression a feature, named after it."""
        raise NotImplementedError

    def nodes(self, graph: GraphBuilder) -> list[str]:
        """Add the same computation to a graph; return one tensor of shape [rows] a feature."""
        raise NotImplementedError


def require(transform: str, field: FieldSpec, *dtypes: str) -> None:
    """Raise WorkloadError unless the field has one of the dtypes."""
    if field.dtype not in dtypes:
        raise WorkloadError(
            f"features: transform '{transform}' takes {' or '.join(dtypes)} fields, '{field.name}' is a {field.dtype}"
        )


def finite(field: str) -> pl.Expr:
    """Return a numeric field as Float64 with everything missing as null."""
    value = pl.col(field).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def seconds(field: str) -> pl.Expr:
    """Return a date or datetime field as Float64 seconds since 1970-01-01."""
    return pl.col(field).cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1_000_000


def stable(value: float) -> float:
    """Return a fitted number to 12 digits: threads add in any order, and a refit must give the same recipe."""
    return float(f"{value:.12g}")
