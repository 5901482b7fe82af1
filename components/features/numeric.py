"""Numbers made comparable: something for what is missing, a flag that it was, and a scale that suits the field."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from onnx import TensorProto

from components.artefacts.errors import WorkloadError
from components.features.distribution import Distribution, distribution
from components.features.graph import GraphBuilder
from components.features.transform import Feature, Option, Options, Transform, finite, is_number, stable, whole_number
from data_contracts.description.spec import FieldSpec

FILLS = ("median", "mean")


def _are_rising_shares(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(map(is_number, value)):
        return False
    return bool(0 <= value[0] < value[1] <= 1)


class _Scaled(Transform, frozen=True):
    """(g(x) - centre) / width with ``fill`` in place of what is missing; subclasses say which g, centre and width."""

    dtypes = ("integer", "number", "boolean")
    suffix: ClassVar[str] = ""

    fill: float
    centre: float
    width: float
    # Nothing was missing in training and nothing may be: a flag would be a constant column.
    flag: bool

    def features(self) -> tuple[Feature, ...]:
        name = self.field + self.suffix
        flags = (Feature(f"{name}_missing", "value"),) if self.flag else ()
        return (Feature(name, "value"), *flags)

    def expressions(self) -> list[pl.Expr]:
        value = pl.col(self.field).cast(pl.Float64)
        # A condition that is null is not met: one choice does for null, NaN and infinite numbers.
        known, name = value.is_finite(), self.field + self.suffix
        scaled = pl.when(known).then(self._scaled(value)).otherwise(self._scaled(pl.lit(self.fill)))
        flag = pl.when(known).then(pl.lit(0.0, pl.Float32)).otherwise(pl.lit(1.0, pl.Float32))
        return [scaled.alias(name), *([flag.alias(f"{name}_missing")] if self.flag else [])]

    def _scaled(self, value: pl.Expr) -> pl.Expr:
        return ((self._bent(value) - self.centre) / self.width).cast(pl.Float32)

    def nodes(self, graph: GraphBuilder) -> list[str]:
        filled, missing = graph.finite(self.field, self.fill)
        centred = graph.add("Sub", [self._bend(filled, graph), graph.number(self.centre)])
        scaled = graph.add("Div", [centred, graph.number(self.width)])
        return [scaled, missing] if self.flag else [scaled]

    def _bent(self, value: pl.Expr) -> pl.Expr:
        return value

    def _bend(self, value: str, graph: GraphBuilder) -> str:
        return value


class Standardise(_Scaled, tag="standardise", frozen=True):
    """(x - mean) / deviation of the training split, with the median in place of what is missing."""

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec) -> Self:
        known = _known(frame, field)
        present, deviation = known.moments()
        # Mean and deviation of the column with its gaps filled, from those of the values.
        share, median = known.size / known.rows, known.median
        mean = share * present + (1 - share) * median
        # Products: a power that does not fit is an error in Python, where a product is infinite, which is refused.
        spread = share * (deviation * deviation + (present - mean) * (present - mean))
        spread += (1 - share) * (median - mean) * (median - mean)
        return cls(field=field.name, **_scale(cls, field, known, median, mean, math.sqrt(spread)))


class RobustScale(_Scaled, tag="robust_scale", frozen=True):
    """(x - median) / interquartile range of the training split, with the median in place of what is missing."""

    suffix: ClassVar[str] = "_robust"

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec) -> Self:
        known = _known(frame, field)
        low, median, high = known.quantiles((0.25, 0.5, 0.75), "linear")
        return cls(field=field.name, **_scale(cls, field, known, median, median, high - low))


class Impute(_Scaled, tag="impute", frozen=True):
    """x as it is, with the training median, mean or a constant in place of what is missing, and a flag that it was."""

    suffix: ClassVar[str] = "_imputed"
    options: ClassVar[Options] = {
        "fill": Option("median, mean or a number", lambda value: is_number(value) or value in FILLS)
    }

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, fill: str | float = "median") -> Self:
        known = _known(frame, field)
        learnt = known.median if fill == "median" else known.moments()[0]
        filling = learnt if isinstance(fill, str) else float(fill)
        return cls(field=field.name, **_scale(cls, field, known, filling, 0.0, 1.0))


class Log1p(_Scaled, tag="log1p", frozen=True):
    """The logarithm of 1 + |x| with the sign of x, standardised: for counts, prices and other long tails."""

    suffix: ClassVar[str] = "_log1p"

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec) -> Self:
        known = _known(frame, field)
        mean, deviation = known.mapped(_signed_log).moments()
        return cls(field=field.name, **_scale(cls, field, known, known.median, mean, deviation))

    def _bent(self, value: pl.Expr) -> pl.Expr:
        return _signed_log(value)

    def _bend(self, value: str, graph: GraphBuilder) -> str:
        # Log(1 + |x|) on both sides, not log1p: ONNX has none, and below 1e-16 the two differ.
        logarithm = graph.add("Log", [graph.add("Add", [graph.add("Abs", [value]), graph.number(1.0)])])
        return graph.add("Mul", [graph.add("Sign", [value]), logarithm])


class Clip(_Scaled, tag="clip", frozen=True):
    """x held between two limits (training quantiles, or given as ``low`` and ``high``), as its place from 0 to 1."""

    suffix: ClassVar[str] = "_clipped"
    options: ClassVar[Options] = {
        "low": Option("a finite number", is_number),
        "high": Option("a finite number", is_number),
        "quantiles": Option("two rising numbers from 0 to 1, as [0.01, 0.99]", _are_rising_shares),
    }

    @classmethod
    def check(cls, fields: Sequence[FieldSpec], options: Mapping[str, Any]) -> None:
        super().check(fields, options)
        if {"low", "high"} <= options.keys() and not options["low"] < options["high"]:
            raise WorkloadError(
                f"features: 'clip' takes a low below its high, not {options['low']} and {options['high']}"
            )

    @classmethod
    def fit(
        cls,
        frame: pl.LazyFrame,
        field: FieldSpec,
        *,
        low: float | None = None,
        high: float | None = None,
        quantiles: tuple[float, float] = (0.01, 0.99),
    ) -> Self:
        known = _known(frame, field)
        ends = known.quantiles(quantiles, "nearest")
        lowest = float(low) if low is not None else ends[0]
        highest = float(high) if high is not None else ends[1]
        return cls(field=field.name, **_scale(cls, field, known, known.median, lowest, highest - lowest))

    def _bent(self, value: pl.Expr) -> pl.Expr:
        return value.clip(self.centre, self.centre + self.width)

    def _bend(self, value: str, graph: GraphBuilder) -> str:
        least = graph.add("Max", [value, graph.number(self.centre)])
        return graph.add("Min", [least, graph.number(self.centre + self.width)])


class QuantileBucket(Transform, tag="quantile_bucket", frozen=True):
    """Which of up to ``buckets`` equally filled ranges of the training split a number lies in; code 0 is missing."""

    dtypes = ("integer", "number")
    in_order = True
    options: ClassVar[Options] = {"buckets": whole_number(2, 256)}

    edges: tuple[float, ...]

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, buckets: int = 10) -> Self:
        known = _known(frame, field)
        edges = known.quantiles([index / buckets for index in range(1, buckets)], "nearest")
        return cls(field=field.name, edges=tuple(sorted(set(edges))))

    def features(self) -> tuple[Feature, ...]:
        return (Feature(f"{self.field}_bucket", "code", len(self.edges) + 2),)

    def expressions(self) -> list[pl.Expr]:
        value = finite(self.field)
        passed = pl.sum_horizontal([(value >= edge).cast(pl.Int64) for edge in self.edges])
        bucket = pl.when(value.is_null()).then(pl.lit(0, dtype=pl.Int64)).otherwise(passed + 1)
        return [bucket.alias(f"{self.field}_bucket")]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        value, missing = graph.finite(self.field)
        axis = graph.constant(np.array([1], dtype=np.int64))
        edges = graph.constant(np.array([self.edges], dtype=np.float64))
        beyond = graph.add("GreaterOrEqual", [graph.add("Unsqueeze", [value, axis]), edges])
        passed = graph.add("ReduceSum", [graph.add("Cast", [beyond], to=TensorProto.INT64), axis], keepdims=0)
        bucket = graph.add("Add", [passed, graph.constant(np.array(1, dtype=np.int64))])
        return [graph.add("Where", [missing, graph.constant(np.array(0, dtype=np.int64)), bucket])]


def _signed_log(value: pl.Expr) -> pl.Expr:
    return value.sign() * (value.abs() + 1.0).log()


def _known(frame: pl.LazyFrame, field: FieldSpec) -> Distribution:
    """Return how a field is distributed; WorkloadError where there is nothing to learn from."""
    known = distribution(frame.select(field.name).collect(engine="streaming").to_series())
    if not known.size:
        raise WorkloadError(f"features: '{field.name}' has no value in the training split: leave it out")
    return known


def _scale(
    transform: type[Transform], field: FieldSpec, known: Distribution, fill: float, centre: float, width: float
) -> dict[str, Any]:
    """Return fill, centre, width and flag as they are stored; WorkloadError for numbers too large to compute with."""
    if not all(math.isfinite(number) for number in (fill, centre, width)):
        raise WorkloadError(
            f"features: '{field.name}' has values too large for '{transform.tag()}' (centre {centre:g}, width "
            f"{width:g}): bound it in the contract"
        )
    return {
        "fill": stable(fill),
        "centre": stable(centre),
        # A field of one value has no spread: it becomes zero, not infinite.
        "width": stable(width) if width > 0 else 1.0,
        "flag": field.nullable or known.size < known.rows,
    }
