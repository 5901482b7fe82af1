"""Columns of whole numbers, doubles, and yes or no."""

import math
from typing import Any, ClassVar, Literal

import polars as pl

from data_contracts.description.spec import FieldSpec
from data_contracts.language.column_type import ColumnType, first_that_reads
from data_contracts.language.fault import fault

_BOOLEANS = {"true": True, "false": False, "t": True, "f": False, "yes": True, "no": False, "1": True, "0": False}
# From here on a float is the same for several integers: which one it was, nobody knows.
_WHOLE = {pl.Float64: 2.0**53, pl.Float32: 2.0**24, pl.Float16: 2.0**11}
# Text that a Float64 holds exactly where it is whole: at most 15 digits.
_SHORT = r"^[+-]?[0-9.]{1,15}(?:[eE][+-]?[0-9]{1,3})?$"


class NumberColumn(ColumnType):
    """Finite doubles."""

    name = "number"
    annotation: ClassVar[Any] = float
    polars: ClassVar[pl.DataType] = pl.Float64()
    form = "with a point, and nothing between thousands"

    def check_rule(self, field: str, word: str, value: Any) -> None:
        whole = type(value) is int and -(2**63) <= value < 2**63
        if not whole and not (type(value) is float and math.isfinite(value)):
            raise fault(field, f"{word}={value!r} of type {self.name} must be a finite number of at most 64 bits")

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        finite = value.is_finite()
        # NaN counts as larger than every number in Polars: one reason is enough for it.
        known = pl.when(finite).then(value)
        bounds = [
            (field.ge, "below", known.lt),
            (field.gt, "not above", known.le),
            (field.le, "above", known.gt),
            (field.lt, "not below", known.ge),
        ]
        beyond = [(f"{word} {limit:g}", than(float(limit))) for limit, word, than in bounds if limit is not None]
        return [("not finite", ~finite), *beyond]

    def good(self, field: FieldSpec, value: pl.Expr) -> list[pl.Expr]:
        low = field.ge if field.ge is not None else field.gt if field.gt is not None else -float("inf")
        high = field.le if field.le is not None else field.lt if field.lt is not None else float("inf")
        open_low, open_high = field.ge is None, field.le is None
        closed: Literal["both", "left", "right", "none"] = "both"
        if open_low or open_high:
            closed = "none" if open_low and open_high else "right" if open_low else "left"
        return [value.is_between(pl.lit(float(low)), pl.lit(float(high)), closed=closed)]

    def bits(self, name: str) -> pl.Expr:
        # One zero and one NaN, whatever their sign and payload.
        return (pl.col(name) + 0.0).fill_nan(float("nan")).reinterpret(dtype=pl.UInt64)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return column.str.strip_chars().cast(pl.Float64, strict=False)

    def of_typed(self, column: pl.Expr, source: pl.DataType) -> pl.Expr | None:
        return column.cast(pl.Float64) if _is_numeric(source) else None


class IntegerColumn(NumberColumn):
    """Whole numbers of 64 bits."""

    name = "integer"
    annotation = int
    polars = pl.Int64()
    form = "whole, of 64 bits at most, below 2^53 if it is a float or has a point"

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        allowed = [("not an allowed value", ~value.is_in(list(field.allowed)))] if field.allowed else []
        # Compared as integers: a large one is not itself any more as a float.
        low, high = field.whole_bounds()
        if low > high:
            return [(f"between {low} and {high}, where there is no integer", value.is_not_null()), *allowed]
        below = [(f"below {low}", value < low)] if low > -(2**63) else []
        above = [(f"above {high}", value > high)] if high < 2**63 - 1 else []
        return [*below, *above, *allowed]

    def good(self, field: FieldSpec, value: pl.Expr) -> list[pl.Expr]:
        return ColumnType.good(self, field, value)

    def bits(self, name: str) -> pl.Expr:
        return ColumnType.bits(self, name)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return first_that_reads(column.str.strip_chars(), [_digits, _with_zeros, _short], pl.Int64())

    def of_typed(self, column: pl.Expr, source: pl.DataType) -> pl.Expr | None:
        if not _is_numeric(source):
            return None
        if source.is_decimal():
            # As text it is exact, whatever its places and its size.
            return _digits(column.cast(pl.String).str.replace(r"\.0*$", ""))
        limit = next((limit for kind, limit in _WHOLE.items() if source == kind), None)
        return column.cast(pl.Int64, strict=False) if limit is None else _whole(column.cast(pl.Float64), limit)


class BooleanColumn(ColumnType):
    """Yes and no."""

    name = "boolean"
    annotation = bool
    polars = pl.Boolean()
    form = "true or false, yes or no, 1 or 0"

    def bits(self, name: str) -> pl.Expr:
        return pl.col(name).cast(pl.UInt64)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return first_that_reads(column.str.strip_chars(), [_yes_or_no, _one_or_zero], pl.Boolean())

    def of_typed(self, column: pl.Expr, source: pl.DataType) -> pl.Expr | None:
        if not _is_numeric(source):
            return None
        return pl.when(column == 0).then(pl.lit(False)).when(column == 1).then(pl.lit(True))


def _is_numeric(source: pl.DataType) -> bool:
    return source.is_numeric() or source == pl.Boolean


def _yes_or_no(text: pl.Expr) -> pl.Expr:
    lower = text.str.to_lowercase()
    return lower.replace_strict(list(_BOOLEANS), list(_BOOLEANS.values()), default=None, return_dtype=pl.Boolean)


def _one_or_zero(text: pl.Expr) -> pl.Expr:
    # As a column of floats has them where some are missing, and as they come from a Parquet file.
    number = pl.when(text.str.contains(r"^[+-]?[0-9]+\.[0-9]+$")).then(text).cast(pl.Float64, strict=False)
    return pl.when((number == 0) | (number == 1)).then(number == 1)


def _digits(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _with_zeros(text: pl.Expr) -> pl.Expr:
    whole = _digits(text.str.extract(r"^([+-]?[0-9]+)\.0*$"))
    # Who writes a point has had a float in hand.
    return pl.when(whole.is_between(1 - 2**53, 2**53 - 1)).then(whole)


def _short(text: pl.Expr) -> pl.Expr:
    return _whole(pl.when(text.str.contains(_SHORT)).then(text).cast(pl.Float64, strict=False), 2.0**53)


def _whole(value: pl.Expr, limit: float) -> pl.Expr:
    fits = (value == value.round()) & (value.abs() < limit)
    return pl.when(fits).then(value).cast(pl.Int64, strict=False)


TYPES = (IntegerColumn(), NumberColumn(), BooleanColumn())
