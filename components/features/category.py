"""Categories as whole numbers: 0 is missing, 1 is unknown or rare, 2 and up are the values seen in training."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from onnx import TensorProto

from components.artefacts.errors import WorkloadError
from components.features.graph import GraphBuilder
from components.features.transform import Feature, Options, Transform, whole_number
from data_contracts.description.spec import DType, FieldSpec

MISSING, UNKNOWN, FIRST = 0, 1, 2
# Serving gives integers as doubles, which hold every integer up to here.
EXACT = 2.0**53

Vocabulary = tuple[str | int, ...]

CATEGORIES: tuple[DType, ...] = ("string", "integer")
MIN_COUNT = whole_number(1)


class Category(Transform, tag="category", frozen=True):
    """The index of a string or an integer in the training vocabulary, most frequent first."""

    dtypes = CATEGORIES
    options: ClassVar[Options] = {"min_count": MIN_COUNT}

    vocabulary: Vocabulary

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, min_count: int = 1) -> Self:
        return cls(field=field.name, vocabulary=vocabulary(frame, field, min_count))

    def features(self) -> tuple[Feature, ...]:
        return (Feature(self.field, "code", len(self.vocabulary) + FIRST),)

    def expressions(self) -> list[pl.Expr]:
        return [code_expression(self.field, self.vocabulary).alias(self.field)]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        return [code_nodes(self.field, self.vocabulary, graph)]


class Cross(Transform, tag="cross", frozen=True):
    """The index of a combination of several fields: 0 if all are missing, 1 if it was rare or never seen."""

    joint = True
    dtypes = CATEGORIES
    options: ClassVar[Options] = {"min_count": MIN_COUNT}

    fields: tuple[str, ...]
    vocabularies: tuple[Vocabulary, ...]
    # Combined indices of the combinations seen, most frequent first.
    known: tuple[int, ...]

    @classmethod
    def check(cls, fields: Sequence[FieldSpec], options: Mapping[str, Any]) -> None:
        if len({field.name for field in fields}) < 2:
            raise WorkloadError("features: 'cross' takes two fields or more; one alone is a 'category'")
        super().check(fields, options)

    @classmethod
    def fit_joint(cls, frame: pl.LazyFrame, fields: tuple[FieldSpec, ...], *, min_count: int = 20) -> Self:
        names = tuple(field.name for field in fields)
        vocabularies = tuple(vocabulary(frame, field, min_count) for field in fields)
        if np.prod([len(known) + FIRST for known in vocabularies], dtype=np.float64) >= EXACT:
            raise WorkloadError(f"features: 'cross' of {', '.join(names)} has too many combinations; raise min_count")
        draft = cls(field="_x_".join(names), fields=names, vocabularies=vocabularies, known=())
        counts = (
            frame.select(draft._combined().alias("value"))
            .filter(pl.col("value") != 0)
            .group_by("value")
            .len()
            .filter(pl.col("len") >= min_count)
            .sort(["len", "value"], descending=[True, False])
            .collect(engine="streaming")
        )
        return cls(field=draft.field, fields=names, vocabularies=vocabularies, known=tuple(counts["value"]))

    def features(self) -> tuple[Feature, ...]:
        return (Feature(self.field, "code", len(self.known) + FIRST),)

    def expressions(self) -> list[pl.Expr]:
        known = [0, *self.known]
        codes = [MISSING, *range(FIRST, FIRST + len(self.known))]
        return [self._combined().replace_strict(known, codes, default=UNKNOWN, return_dtype=pl.Int64).alias(self.field)]

    def _combined(self) -> pl.Expr:
        total = pl.lit(0, dtype=pl.Int64)
        for field, known in zip(self.fields, self.vocabularies, strict=True):
            total = total * (len(known) + FIRST) + code_expression(field, known)
        return total

    def nodes(self, graph: GraphBuilder) -> list[str]:
        total = graph.constant(np.array(0, dtype=np.int64))
        for field, known in zip(self.fields, self.vocabularies, strict=True):
            size = graph.constant(np.array(len(known) + FIRST, dtype=np.int64))
            total = graph.add("Add", [graph.add("Mul", [total, size]), code_nodes(field, known, graph)])
        return [
            graph.add(
                "LabelEncoder",
                [total],
                domain="ai.onnx.ml",
                keys_int64s=[0, *self.known],
                values_int64s=[MISSING, *range(FIRST, FIRST + len(self.known))],
                default_int64=UNKNOWN,
            )
        ]


def vocabulary(frame: pl.LazyFrame, field: FieldSpec, min_count: int) -> Vocabulary:
    """Return the values of a string or integer field that occur at least ``min_count`` times, most frequent first."""
    value = pl.col("value")
    usable = value != "" if field.dtype == "string" else value.cast(pl.Float64).abs() < EXACT
    counts = (
        frame.select(pl.col(field.name).drop_nulls().alias("value"))
        .filter(usable)
        .group_by("value")
        .len()
        .filter(pl.col("len") >= min_count)
        .sort(["len", "value"], descending=[True, False])
        .collect(engine="streaming")
    )
    return tuple(counts["value"])


def is_text(known: Vocabulary) -> bool:
    """Tell whether a vocabulary is of strings; an empty one is of either."""
    return not known or isinstance(known[0], str)


def code_expression(field: str, known: Vocabulary) -> pl.Expr:
    """Return the code of each value of a field."""
    codes = list(range(FIRST, FIRST + len(known)))
    column = pl.col(field)
    if not known:
        # A string and an integer column look alike here; both become text, in which "" is what is missing.
        text = column.cast(pl.String).fill_null("")
        return pl.when(text == "").then(pl.lit(MISSING, dtype=pl.Int64)).otherwise(pl.lit(UNKNOWN, dtype=pl.Int64))
    if is_text(known):
        # As places in an enumeration: half the time of replacing text by numbers.
        place = column.cast(pl.Enum([str(value) for value in known]), strict=False).to_physical().cast(pl.Int64)
        found = (place + FIRST).fill_null(UNKNOWN)
        return pl.when(column.is_null() | (column == "")).then(pl.lit(MISSING, dtype=pl.Int64)).otherwise(found)
    found = column.replace_strict(list(known), codes, default=UNKNOWN, return_dtype=pl.Int64)
    return pl.when(column.is_null()).then(pl.lit(MISSING, dtype=pl.Int64)).otherwise(found)


def code_nodes(field: str, known: Vocabulary, graph: GraphBuilder) -> str:
    """Add the code of each value of a field to a graph."""
    codes = list(range(FIRST, FIRST + len(known)))
    if graph.is_text(field):
        return graph.add(
            "LabelEncoder",
            [graph.input(field)],
            domain="ai.onnx.ml",
            keys_strings=["", *known],
            values_int64s=np.array([MISSING, *codes], dtype=np.int64),
            default_int64=UNKNOWN,
        )
    value, missing = graph.finite(field)
    unknown = graph.constant(np.array(UNKNOWN, dtype=np.int64))
    exact = graph.add("Less", [graph.add("Abs", [value]), graph.number(EXACT)])
    whole = graph.add("Cast", [graph.add("Where", [exact, value, graph.number(0.0)])], to=TensorProto.INT64)
    found = unknown
    if known:
        found = graph.add(
            "LabelEncoder",
            [whole],
            domain="ai.onnx.ml",
            keys_int64s=list(known),
            values_int64s=codes,
            default_int64=UNKNOWN,
        )
    code = graph.add("Where", [exact, found, unknown])
    return graph.add("Where", [missing, graph.constant(np.array(MISSING, dtype=np.int64)), code])
