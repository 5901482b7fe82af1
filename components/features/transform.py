"""What a transform is: fitted on the training split, then the same columns as Polars expressions and as ONNX nodes.

Missing is one thing everywhere: null, NaN, an infinite number or an empty string.
"""

from typing import Any, ClassVar, Literal, Self

import msgspec
import polars as pl

from components.errors import WorkloadError
from components.features.graph import GraphBuilder
from data_contracts.spec import FieldSpec

# What the training split carries besides its rows: the answer as Float64, and which of the folds a row belongs to.
LABEL = "slipway:label"
FOLD = "slipway:fold"
FOLDS = 5


class Feature(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column that a recipe makes: ``value`` is a float32, ``code`` an int64 in [0, cardinality)."""

    name: str
    type: Literal["value", "code"]
    cardinality: int = 0


class Transform(msgspec.Struct, frozen=True, tag_field="transform"):
    """A fitted transform of one field, or, if it is ``joint``, of several at once."""

    joint: ClassVar[bool] = False
    # It learns from the label, so that a training row must be given what was learnt without it.
    sees_answers: ClassVar[bool] = False

    field: str

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, **options: Any) -> Self:
        """Learn from the training split alone; WorkloadError if the field or an option does not fit."""
        raise NotImplementedError

    @classmethod
    def fit_joint(cls, frame: pl.LazyFrame, fields: tuple[FieldSpec, ...], **options: Any) -> Self:
        """Learn a joint transform; what ``fit`` is for the others."""
        raise NotImplementedError

    def features(self) -> tuple[Feature, ...]:
        """Return the columns this makes, in order."""
        raise NotImplementedError

    def expressions(self) -> list[pl.Expr]:
        """Return one expression a feature, named after it."""
        raise NotImplementedError

    def training_expressions(self) -> list[pl.Expr]:
        """Return what the training split itself is given: the same, unless a row would see its own answer."""
        return self.expressions()

    def nodes(self, graph: GraphBuilder) -> list[str]:
        """Add the same computation to a graph; return one tensor of shape [rows] a feature."""
        raise NotImplementedError

    @classmethod
    def tag(cls) -> str:
        """Return the name of the transform in a workload file."""
        return str(cls.__struct_config__.tag)


def require(transform: str, field: FieldSpec, *dtypes: str) -> None:
    """Raise WorkloadError unless the field has one of the dtypes."""
    if field.dtype not in dtypes:
        raise WorkloadError(
            f"features: transform '{transform}' takes {' or '.join(dtypes)} fields, '{field.name}' is a {field.dtype}"
        )


def refuse_options(transform: str, options: dict[str, Any]) -> None:
    """Raise WorkloadError for options of a transform that takes none, or none of these."""
    if options:
        raise WorkloadError(f"features: '{transform}' does not take {', '.join(sorted(options))}")


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
