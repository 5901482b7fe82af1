"""Categories as whole numbers: 0 is missing, 1 is unknown or rare, 2 and up are the values seen in training."""

from typing import Any, Self

import numpy as np
import polars as pl

from components.errors import WorkloadError
from components.features.graph import GraphBuilder
from components.features.transform import Feature, Transform, require
from data_contracts.spec import FieldSpec

MISSING, UNKNOWN, FIRST = 0, 1, 2


class Category(Transform, tag="category", frozen=True):
    """The index of a string in the training vocabulary, most frequent first."""

    vocabulary: tuple[str, ...]

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, min_count: int = 1, **options: Any) -> Self:
        require("category", field, "string")
        if options or min_count < 1:
            raise WorkloadError(f"features: 'category' takes min_count of at least 1, not {options or min_count}")
        counts = (
            frame.select(pl.col(field.name).drop_nulls().alias("value"))
            .filter(pl.col("value") != "")
            .group_by("value")
            .len()
            .filter(pl.col("len") >= min_count)
            .sort(["len", "value"], descending=[True, False])
            .collect(engine="streaming")
        )
        return cls(field=field.name, vocabulary=tuple(counts["value"]))

    def features(self) -> tuple[Feature, ...]:
        return (Feature(self.field, "code", len(self.vocabulary) + FIRST),)

    def expressions(self) -> list[pl.Expr]:
        known = ["", *self.vocabulary]
        codes = [MISSING, *range(FIRST, FIRST + len(self.vocabulary))]
        return [
            pl.col(self.field)
            .fill_null("")
            .replace_strict(known, codes, default=UNKNOWN, return_dtype=pl.Int64)
            .alias(self.field)
        ]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        known = ["", *self.vocabulary]
        codes = [MISSING, *range(FIRST, FIRST + len(self.vocabulary))]
        return [
            graph.add(
                "LabelEncoder",
                [graph.input(self.field)],
                domain="ai.onnx.ml",
                keys_strings=known,
                values_int64s=np.array(codes, dtype=np.int64),
                default_int64=UNKNOWN,
            )
        ]
