"""Where a moment lies in the day and in the week: as points on a circle, so that midnight is next to midnight."""

import math
from typing import Any, ClassVar, Self

import polars as pl

from components.errors import WorkloadError
from components.features.graph import GraphBuilder
from components.features.transform import Feature, Transform, require, seconds
from data_contracts.spec import FieldSpec

DAY = 86_400.0


class _Cycle(Transform, frozen=True):
    """Sine and cosine of the position within a period; (0, 0) when the moment is missing."""

    period: ClassVar[float]
    # Seconds from the start of a period to 1970-01-01T00:00, which was a Thursday.
    offset: ClassVar[float] = 0.0
    suffix: ClassVar[str]

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, **options: Any) -> Self:
        require(cls.suffix, field, "datetime", "date")
        if options:
            raise WorkloadError(f"features: '{cls.suffix}' takes no options, not {sorted(options)}")
        return cls(field=field.name)

    def features(self) -> tuple[Feature, ...]:
        return tuple(Feature(f"{self.field}_{self.suffix}_{part}", "value") for part in ("sin", "cos"))

    def expressions(self) -> list[pl.Expr]:
        moment = seconds(self.field) + self.offset
        position = moment - (moment / self.period).floor() * self.period
        angle = position * (2 * math.pi / self.period)
        names = [feature.name for feature in self.features()]
        return [
            angle.sin().fill_null(0.0).cast(pl.Float32).alias(names[0]),
            angle.cos().fill_null(0.0).cast(pl.Float32).alias(names[1]),
        ]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        value, missing = graph.finite(self.field)
        moment = graph.add("Add", [value, graph.number(self.offset)])
        period = graph.number(self.period)
        cycles = graph.add("Mul", [graph.add("Floor", [graph.add("Div", [moment, period])]), period])
        position = graph.add("Sub", [moment, cycles])
        # Sin and Cos exist for float alone in ONNX Runtime; the angle lies in [0, 2 pi), so little is lost.
        angle = graph.add("Mul", [position, graph.number(2 * math.pi / self.period)])
        single = graph.add("Cast", [angle], to=1)
        zero = graph.add("Cast", [graph.number(0.0)], to=1)
        return [graph.add("Where", [missing, zero, graph.add(op, [single])]) for op in ("Sin", "Cos")]


class TimeOfDay(_Cycle, tag="time_of_day", frozen=True):
    """The time of day on a circle of 24 hours."""

    period: ClassVar[float] = DAY
    suffix: ClassVar[str] = "time_of_day"


class Weekday(_Cycle, tag="weekday", frozen=True):
    """The day of the week on a circle of seven days, Monday first."""

    period: ClassVar[float] = 7 * DAY
    offset: ClassVar[float] = 3 * DAY
    suffix: ClassVar[str] = "weekday"
