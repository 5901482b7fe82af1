"""Where a moment lies in the day, the week and the year: points on a circle, and the parts of a date.

Both sides compute from seconds since 1970-01-01 in float64, so that one formula serves Polars and ONNX.
"""

import math
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl
from onnx import TensorProto

from components.features.graph import GraphBuilder
from components.features.transform import Feature, Option, Options, Transform, seconds
from data_contracts.description.spec import DType, FieldSpec

DAY = 86_400.0
Part = Literal["year", "month", "day", "weekday", "hour", "minute"]
# Codes: 0 is missing, so the first month is 1 and the first hour is 1.
CARDINALITIES: dict[str, int] = {"month": 13, "day": 32, "weekday": 8, "hour": 25, "minute": 61}

PARTS = ("year", *CARDINALITIES)
MOMENTS: tuple[DType, ...] = ("datetime", "date")


def _are_parts(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(part in PARTS for part in value) and len(set(value)) == len(value)


class _Cycle(Transform, frozen=True):
    """Sine and cosine of the position within a period; (0, 0) when the moment is missing."""

    dtypes = MOMENTS

    period: ClassVar[float]
    # Seconds from the start of a period to 1970-01-01T00:00, which was a Thursday.
    offset: ClassVar[float] = 0.0
    suffix: ClassVar[str]

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec) -> Self:
        return cls(field=field.name)

    def features(self) -> tuple[Feature, ...]:
        return tuple(Feature(f"{self.field}_{self.suffix}_{part}", "value") for part in ("sin", "cos"))

    def expressions(self) -> list[pl.Expr]:
        moment = seconds(self.field) + self.offset
        position = moment - (moment / self.period).floor() * self.period
        # In float32, as the graph; the angle lies in [0, 2 pi), so little is lost.
        angle = (position * (2 * math.pi / self.period)).cast(pl.Float32)
        # NumPy's sine takes a twentieth of the time of Polars', and agrees to the last bit but one.
        turned = [angle.map_batches(by, return_dtype=pl.Float32, is_elementwise=True) for by in (_sine, _cosine)]
        names = [feature.name for feature in self.features()]
        return [value.fill_nan(0.0).alias(name) for value, name in zip(turned, names, strict=True)]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        value, missing = graph.finite(self.field)
        moment = graph.add("Add", [value, graph.number(self.offset)])
        period = graph.number(self.period)
        cycles = graph.add("Mul", [graph.add("Floor", [graph.add("Div", [moment, period])]), period])
        position = graph.add("Sub", [moment, cycles])
        # In float32, which every runtime has a sine of.
        angle = graph.add("Mul", [position, graph.number(2 * math.pi / self.period)])
        single = graph.add("Cast", [angle], to=TensorProto.FLOAT)
        zero = graph.add("Cast", [graph.number(0.0)], to=TensorProto.FLOAT)
        return [graph.add("Where", [missing, zero, graph.add(op, [single])]) for op in ("Sin", "Cos")]


def _sine(angles: pl.Series) -> pl.Series:
    # What is null is NaN as an array.
    return pl.Series(np.sin(angles.to_numpy()))


def _cosine(angles: pl.Series) -> pl.Series:
    return pl.Series(np.cos(angles.to_numpy()))


class TimeOfDay(_Cycle, tag="time_of_day", frozen=True):
    """The time of day on a circle of 24 hours."""

    period: ClassVar[float] = DAY
    suffix: ClassVar[str] = "time_of_day"


class Weekday(_Cycle, tag="weekday", frozen=True):
    """The day of the week on a circle of seven days, Monday first."""

    period: ClassVar[float] = 7 * DAY
    offset: ClassVar[float] = 3 * DAY
    suffix: ClassVar[str] = "weekday"


class Season(_Cycle, tag="season", frozen=True):
    """The time of the year on a circle of a mean Gregorian year (365.2425 days)."""

    period: ClassVar[float] = 365.2425 * DAY
    suffix: ClassVar[str] = "season"


class DateParts(Transform, tag="date_parts", frozen=True):
    """Parts of a moment: the year as a number (years since 2000), the others as codes; 0 is missing."""

    dtypes = MOMENTS
    in_order = True
    options: ClassVar[Options] = {"parts": Option(f"a list out of {', '.join(PARTS)}, each once", _are_parts)}

    parts: tuple[Part, ...]

    @classmethod
    def fit(
        cls,
        frame: pl.LazyFrame,
        field: FieldSpec,
        *,
        parts: tuple[Part, ...] = ("month", "weekday", "hour"),
    ) -> Self:
        return cls(field=field.name, parts=tuple(parts))

    def features(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(f"{self.field}_{part}", "value")
            if part == "year"
            else Feature(f"{self.field}_{part}", "code", CARDINALITIES[part])
            for part in self.parts
        )

    def expressions(self) -> list[pl.Expr]:
        # Through float64 seconds, as serving sees them: they round the last microsecond of a far year up to the next.
        moment = (seconds(self.field).floor().cast(pl.Int64) * 1_000_000).cast(pl.Datetime("us")).dt
        made = {
            "year": (moment.year() - 2000).cast(pl.Float32).fill_null(0.0),
            "month": moment.month(),
            "day": moment.day(),
            "weekday": moment.weekday(),
            "hour": moment.hour().cast(pl.Int64) + 1,
            "minute": moment.minute().cast(pl.Int64) + 1,
        }
        codes = {part: made[part] if part == "year" else made[part].cast(pl.Int64).fill_null(0) for part in self.parts}
        return [codes[part].alias(f"{self.field}_{part}") for part in self.parts]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        value, missing = graph.finite(self.field)
        days = _floor_of(value, DAY, graph)
        in_day = graph.add("Sub", [value, graph.add("Mul", [days, graph.number(DAY)])])
        year, month, day = _civil(days, graph)
        hour = _floor_of(in_day, 3600.0, graph)
        minute = _floor_of(_rest(in_day, 3600.0, graph), 60.0, graph)
        one = graph.number(1.0)
        made = {
            "year": graph.add("Sub", [year, graph.number(2000.0)]),
            "month": month,
            "day": day,
            "weekday": graph.add("Add", [_rest(graph.add("Add", [days, graph.number(3.0)]), 7.0, graph), one]),
            "hour": graph.add("Add", [hour, one]),
            "minute": graph.add("Add", [minute, one]),
        }
        outputs = []
        for part in self.parts:
            known = graph.add("Where", [missing, graph.number(0.0), made[part]])
            outputs.append(known if part == "year" else graph.add("Cast", [known], to=TensorProto.INT64))
        return outputs


def _floor_of(value: str, size: float, graph: GraphBuilder) -> str:
    return graph.add("Floor", [graph.add("Div", [value, graph.number(size)])])


def _rest(value: str, size: float, graph: GraphBuilder) -> str:
    return graph.add("Sub", [value, graph.add("Mul", [_floor_of(value, size, graph), graph.number(size)])])


def _civil(days: str, graph: GraphBuilder) -> tuple[str, str, str]:
    """Return year, month and day of days since 1970-01-01 (H. Hinnant, "Low-Level Date Algorithms")."""

    def scaled(value: str, by: float, plus: float) -> str:
        return graph.add("Add", [graph.add("Mul", [value, graph.number(by)]), graph.number(plus)])

    def less(value: str, other: str) -> str:
        return graph.add("Sub", [value, other])

    shifted = scaled(days, 1.0, 719_468.0)
    era = _floor_of(shifted, 146_097.0, graph)
    day_of_era = _rest(shifted, 146_097.0, graph)
    leap = less(less(day_of_era, _floor_of(day_of_era, 1460.0, graph)), _floor_of(day_of_era, 146_096.0, graph))
    leap = graph.add("Add", [leap, _floor_of(day_of_era, 36_524.0, graph)])
    year_of_era = _floor_of(leap, 365.0, graph)
    before = less(scaled(year_of_era, 365.0, 0.0), _floor_of(year_of_era, 100.0, graph))
    day_of_year = less(day_of_era, graph.add("Add", [before, _floor_of(year_of_era, 4.0, graph)]))
    month_from_march = _floor_of(scaled(day_of_year, 5.0, 2.0), 153.0, graph)
    first_of_month = _floor_of(scaled(month_from_march, 153.0, 2.0), 5.0, graph)
    day = scaled(less(day_of_year, first_of_month), 1.0, 1.0)
    late = graph.add("GreaterOrEqual", [month_from_march, graph.number(10.0)])
    month = graph.add("Where", [late, scaled(month_from_march, 1.0, -9.0), scaled(month_from_march, 1.0, 3.0)])
    year = graph.add("Add", [year_of_era, scaled(era, 400.0, 0.0)])
    return graph.add("Where", [late, scaled(year, 1.0, 1.0), year]), month, day
