"""What a transform is: fitted on the training split, then the same columns as Polars expressions and as ONNX nodes.

Missing is one thing everywhere: null, NaN, an infinite number or an empty string.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import msgspec
import polars as pl

from components.artefacts.errors import WorkloadError
from components.features.graph import GraphBuilder
from data_contracts.description.spec import DType, FieldSpec

# What the training split carries besides its rows: the answer as Float64, and which of the folds a row belongs to.
LABEL = "slipway:label"
FOLD = "slipway:fold"
FOLDS = 5


class Feature(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column that a recipe makes: ``value`` is a float32, ``code`` an int64 in [0, cardinality)."""

    name: str
    type: Literal["value", "code"]
    cardinality: int = 0


class Option(NamedTuple):
    """What an option of a transform may be: in words, and as a test of a value."""

    takes: str
    fits: Callable[[Any], bool]


Options = Mapping[str, Option]


class Transform(msgspec.Struct, frozen=True, tag_field="transform"):
    """A fitted transform of one field, or, if it is ``joint``, of several at once."""

    joint: ClassVar[bool] = False
    # It learns from the label, so that a training row must be given what was learnt without it.
    sees_answers: ClassVar[bool] = False
    # Its codes rise with what they stand for, as hours do; others are names, in no order.
    in_order: ClassVar[bool] = False
    # Which fields it takes, and which options a step in the workload file may give it.
    dtypes: ClassVar[tuple[DType, ...]] = ()
    options: ClassVar[Options] = {}

    field: str

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *args: Any, **options: Any) -> Self:
        """Learn from the training split alone, with options that ``check`` has let pass.

        Raises WorkloadError for values that nothing can be learnt from.
        """
        raise NotImplementedError

    @classmethod
    def fit_joint(cls, frame: pl.LazyFrame, fields: tuple[FieldSpec, ...], *args: Any, **options: Any) -> Self:
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
    def check(cls, fields: Sequence[FieldSpec], options: Mapping[str, Any]) -> None:
        """Raise WorkloadError unless these fields and options can be given to the transform."""
        for field in fields:
            if field.dtype not in cls.dtypes:
                raise WorkloadError(
                    f"features: transform '{cls.tag()}' takes {' or '.join(cls.dtypes)} fields, '{field.name}' is a "
                    f"{field.dtype}"
                )
        for name, value in options.items():
            if name not in cls.options:
                told = f"its options: {', '.join(cls.options)}" if cls.options else "it has no options"
                raise WorkloadError(f"features: '{cls.tag()}' does not take {name}; {told}")
            if not cls.options[name].fits(value):
                raise WorkloadError(f"features: '{cls.tag()}' takes {name}: {cls.options[name].takes}, not {value!r}")

    @classmethod
    def tag(cls) -> str:
        """Return the name of the transform in a workload file."""
        return str(cls.__struct_config__.tag)


def whole_number(least: int, most: int | None = None) -> Option:
    """Return an option that takes a whole number; True is none."""
    words = f"a whole number of at least {least}" if most is None else f"a whole number from {least:,} to {most:,}"
    return Option(words, lambda value: type(value) is int and least <= value and (most is None or value <= most))


def is_number(value: object) -> bool:
    """Tell whether an option is a finite number (of 64 bits, if whole); True and False are none."""
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return type(value) is float and math.isfinite(value)


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
