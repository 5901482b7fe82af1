"""Numbers made comparable: median for what is missing, a flag that it was, zero mean and unit variance."""

from typing import Any, Self

import polars as pl

from components.errors import WorkloadError
from components.features.graph import GraphBuilder
from components.features.transform import Feature, Transform, finite, require, stable
from data_contracts.spec import FieldSpec


class Standardise(Transform, tag="standardise", frozen=True):
    """(x - mean) / deviation of the training split, with the median in place of what is missing."""

    median: float
    mean: float
    deviation: float
    # Nothing was missing in training and nothing may be: a flag would be a constant column.
    flag: bool

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, **options: Any) -> Self:
        require("standardise", field, "integer", "number", "boolean")
        if options:
            raise WorkloadError(f"features: 'standardise' takes no options, not {sorted(options)}")
        value = finite(field.name)
        row = (
            frame.select(
                value.median().alias("median"),
                value.fill_null(value.median()).mean().alias("mean"),
                value.fill_null(value.median()).std(ddof=0).alias("deviation"),
                value.null_count().alias("missing"),
            )
            .collect(engine="streaming")
            .row(0, named=True)
        )
        if row["median"] is None:
            raise WorkloadError(f"features: '{field.name}' has no value in the training split: leave it out")
        return cls(
            field=field.name,
            median=row["median"],
            mean=stable(row["mean"]),
            deviation=stable(row["deviation"]) or 1.0,
            flag=field.nullable or row["missing"] > 0,
        )

    def features(self) -> tuple[Feature, ...]:
        flags = (Feature(f"{self.field}_missing", "value"),) if self.flag else ()
        return (Feature(self.field, "value"), *flags)

    def expressions(self) -> list[pl.Expr]:
        value = finite(self.field)
        scaled = (value.fill_null(self.median) - self.mean) / self.deviation
        flags = [value.is_null().cast(pl.Float32).alias(f"{self.field}_missing")] if self.flag else []
        return [scaled.cast(pl.Float32).alias(self.field), *flags]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        value, missing = graph.finite(self.field)
        filled = graph.add("Where", [missing, graph.number(self.median), value])
        centred = graph.add("Sub", [filled, graph.number(self.mean)])
        scaled = graph.add("Div", [centred, graph.number(self.deviation)])
        return [scaled, missing] if self.flag else [scaled]
