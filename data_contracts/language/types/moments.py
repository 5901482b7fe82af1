"""Columns of moments, to the microsecond, and of days."""

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

import polars as pl

from data_contracts.description.spec import FieldSpec
from data_contracts.language.column_type import ColumnType, Reader, first_that_reads
from data_contracts.language.fault import fault

_MOMENTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
# Digits beyond microseconds that are not zeros.
_FINER = r"\.[0-9]{6}[0-9]*[1-9]"
DAY = 86_400_000_000


class DatetimeColumn(ColumnType):
    """Moments without a zone; one with a zone becomes its UTC clock."""

    name = "datetime"
    annotation: ClassVar[Any] = datetime
    polars: ClassVar[pl.DataType] = pl.Datetime("us")
    form = "like 2024-01-31T08:30:00, microseconds at most"
    _step: ClassVar[timedelta] = timedelta(microseconds=1)
    # Polars holds years that neither Python nor a request can name.
    _ends: ClassVar[tuple[date, date]] = (datetime.min, datetime.max)

    def check_rule(self, field: str, word: str, value: Any) -> None:
        if type(value) is not datetime or value.tzinfo is not None:
            raise fault(field, f"{word}={value!r} of type datetime must be a datetime without a zone")

    def rules(self, field: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the bounds as the first and the last moment allowed."""
        found: dict[str, Any] = {}
        for word, value in given.items():
            moment = value if isinstance(value, datetime) else datetime.combine(value, time())
            try:
                moment += {"gt": self._step, "lt": -self._step}.get(word, timedelta())
            except OverflowError as error:
                raise fault(field, f"{word}={value!r} leaves no {self.name} that could be good") from error
            found["earliest" if word in ("ge", "gt") else "latest"] = moment
        return found

    def label_fault(self, field: FieldSpec) -> str | None:
        return f"a {self.name} cannot be a label: make a number of it, such as days from a day"

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        first, last = self._ends
        checks = [("not in the years 1 to 9999", ~value.is_between(pl.lit(first), pl.lit(last)))]
        earliest, latest = field.moment_bounds()
        checks += [(f"before {earliest}", value < pl.lit(earliest))] if earliest is not None else []
        return checks + ([(f"after {latest}", value > pl.lit(latest))] if latest is not None else [])

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return first_that_reads(column.str.strip_chars(), [*_MOMENT_READERS, _midnight_of], pl.Datetime("us"))

    def of_typed(self, column: pl.Expr, source: pl.DataType) -> pl.Expr | None:
        if not isinstance(source, (pl.Datetime, pl.Date)):
            return None
        return _microseconds(column, source).cast(pl.Datetime("us"))


class DateColumn(DatetimeColumn):
    """Days."""

    name = "date"
    annotation = date
    polars = pl.Date()
    form = "like 2024-01-31"
    _step = timedelta(days=1)
    _ends = (date.min, date.max)

    def check_rule(self, field: str, word: str, value: Any) -> None:
        if type(value) is not date:
            raise fault(field, f"{word}={value!r} of type date must be a date")

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        readers = [_day, *(_day_of(reader) for reader in _MOMENT_READERS)]
        return first_that_reads(column.str.strip_chars(), readers, pl.Date())

    def of_typed(self, column: pl.Expr, source: pl.DataType) -> pl.Expr | None:
        if not isinstance(source, (pl.Datetime, pl.Date)):
            return None
        return _as_day(_microseconds(column, source))


def _moment_reader(form: str) -> Reader:
    def read(text: pl.Expr) -> pl.Expr:
        exact = pl.when(~text.str.contains(_FINER)).then(text)
        if form in _MOMENTS:
            return exact.str.to_datetime(form, time_unit="us", strict=False)
        zoned = exact.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
        return zoned.dt.replace_time_zone(None)

    return read


_MOMENT_READERS = [_moment_reader(form) for form in (*_MOMENTS, *_ZONED)]


def _day(text: pl.Expr) -> pl.Expr:
    return text.str.to_date("%Y-%m-%d", strict=False)


def _midnight_of(text: pl.Expr) -> pl.Expr:
    return _day(text).cast(pl.Datetime("us"))


def _day_of(reader: Reader) -> Reader:
    return lambda text: _as_day(reader(text).to_physical())


def _microseconds(column: pl.Expr, source: pl.Datetime | pl.Date) -> pl.Expr:
    """Return moments as whole microseconds since 1970, UTC; null where they are finer, or too far away to be counted.

    As numbers: Polars panics about a moment that is too far away.
    """
    stored = column.to_physical().cast(pl.Int64)
    unit = "day" if isinstance(source, pl.Date) else source.time_unit
    if unit == "ns":
        return pl.when(stored % 1_000 == 0).then(stored // 1_000)
    each = {"day": DAY, "ms": 1_000, "us": 1}[unit]
    most = (2**63 - 1) // each
    return pl.when(stored.is_between(-most, most)).then(stored) * each


def _as_day(moment: pl.Expr) -> pl.Expr:
    return pl.when(moment % DAY == 0).then(moment // DAY).cast(pl.Int32).cast(pl.Date)


TYPES = (DatetimeColumn(), DateColumn())
