"""Source columns to the contract's types: lossless or not at all, and what fails keeps its text.

Text becomes numbers, times and booleans; whole floats become integers; a time with a zone becomes its UTC clock. Only a
number is rounded, to the nearest that 64 bits hold: that is what a number is.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import polars as pl

from components.artefacts.errors import ContractError
from data_contracts.description.spec import ContractSpec, DType, FieldSpec
from data_contracts.language.frame_schema import POLARS_TYPES, raw_column

_BOOLEANS = {"true": True, "false": False, "t": True, "f": False, "yes": True, "no": False, "1": True, "0": False}
_MOMENTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
# Digits beyond microseconds that are not zeros.
_FINER = r"\.[0-9]{6}[0-9]*[1-9]"
# From here on a float is the same for several integers: which one it was, nobody knows.
_WHOLE = {pl.Float64: 2.0**53, pl.Float32: 2.0**24, pl.Float16: 2.0**11}
# Text that a Float64 holds exactly where it is whole: at most 15 digits.
_SHORT = r"^[+-]?[0-9.]{1,15}(?:[eE][+-]?[0-9]{1,3})?$"
_DAY = 86_400_000_000
_YEAR_1, _YEAR_10000 = -719_162 * _DAY, 2_932_897 * _DAY

# What a value must be like to be of a type, for messages.
FORMS: dict[DType, str] = {
    "string": "text",
    "integer": "whole, of 64 bits at most, below 2^53 if it is a float or has a point",
    "number": "with a point, and nothing between thousands",
    "boolean": "true or false, yes or no, 1 or 0",
    "datetime": "like 2024-01-31T08:30:00, microseconds at most",
    "date": "like 2024-01-31",
}

# How the names of columns begin that are not the source's own.
BESIDE = "slipway:"


class Cast(NamedTuple):
    """How one field is made: its value, and the text of what would not become one (None if nothing can fail)."""

    field: FieldSpec
    value: pl.Expr
    raw: pl.Expr | None


def contract_casts(schema: pl.Schema, contract: ContractSpec) -> list[Cast]:
    """Return a cast for each field, in order; ContractError names a column that is missing or of no use."""
    missing = [field.name for field in contract.fields if field.name not in schema]
    if missing:
        found = [name for name in schema.names() if not name.startswith(BESIDE)]
        raise ContractError(tell_missing(missing, found, contract, "the source"))
    return [_cast(field, schema[field.name], contract) for field in contract.fields]


def cast_columns(casts: list[Cast]) -> list[pl.Expr]:
    """Return the columns of a snapshot: every field, then the raw text of those that can fail."""
    values = [cast.value.alias(cast.field.name) for cast in casts]
    return values + [cast.raw.alias(raw_column(cast.field.name)) for cast in casts if cast.raw is not None]


def tell_missing(missing: Sequence[str], found: Sequence[str], contract: ContractSpec, where: str) -> str:
    """Return a message about columns that a contract names and a source lacks, with those that may be meant."""
    free = [name for name in found if name not in {field.name for field in contract.fields}]
    lower = {name.lower().strip(): name for name in free}
    guesses = []
    for name in missing[:5]:
        close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
        guesses.append(f"'{name}'" + (f" (did '{_shown(lower[close[0]])}' mean this?)" if close else ""))
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    listed = ", ".join(_shown(name) for name in found[:30]) + (
        f" and {len(found) - 30} more" if len(found) > 30 else ""
    )
    return (
        f"{contract.name}: {where} has no column {', '.join(guesses)}{more}; it has: {listed or 'none'}. "
        "Rename it in the source, or change the contract"
    )


def as_text(column: pl.Expr, source: pl.DataType) -> pl.Expr:
    """Return the values of a column of the type ``source`` as text."""
    if not isinstance(source, (pl.Datetime, pl.Date)):
        return column.cast(pl.String)
    # Polars panics, too, when it is to name a year that is too far away.
    unit = "days" if isinstance(source, pl.Date) else source.time_unit
    each = {"days": _DAY, "ms": 1_000, "us": 1, "ns": 1e-3}[unit]
    stored = column.to_physical().cast(pl.Int64)
    named = pl.when(stored.is_between(int(_YEAR_1 / each), int(_YEAR_10000 / each))).then(column).cast(pl.String)
    return pl.coalesce(named, pl.format("{} " + unit + " since 1970", stored))


def with_article(dtype: DType) -> str:
    """Return the name of a type as a sentence needs it."""
    return f"an {dtype}" if dtype == "integer" else f"a {dtype}"


def _shown(name: str) -> str:
    """Return a column's name for a message: a file without a header may have anything for one."""
    flat = " ".join(name.split())
    return flat if len(flat) <= 40 else f"{flat[:37]}..."


def _cast(field: FieldSpec, source: pl.DataType, contract: ContractSpec) -> Cast:
    column = pl.col(field.name)
    target = POLARS_TYPES[field.dtype]
    if source == target or source == pl.Null:
        return Cast(field, column.cast(target), None)
    if isinstance(source, (pl.Categorical, pl.Enum)):
        column, source = column.cast(pl.String), pl.String()
    if field.dtype == "string" and (source == pl.String or source.is_integer()):
        return Cast(field, column.cast(pl.String), None)
    value = _of_text(column, field.dtype) if source == pl.String else _of_typed(column, source, field.dtype)
    if value is None:
        raise ContractError(
            f"{contract.name}: column '{field.name}' is {source}, which cannot become {with_article(field.dtype)}: "
            "convert it in the source, or change the contract"
        )
    present = column.is_not_null() & column.is_not_nan() if source.is_float() else column.is_not_null()
    return Cast(field, value, pl.when(present & value.is_null()).then(as_text(column, source)))


def _of_text(column: pl.Expr, dtype: DType) -> pl.Expr:
    text = column.str.strip_chars()
    if dtype == "boolean":
        # Block by block: as an expression of its own, Polars would gather all rows of a stream before it.
        return _first_that_reads(text, [_yes_or_no, _one_or_zero], pl.Boolean())
    if dtype == "number":
        return text.cast(pl.Float64, strict=False)
    if dtype == "integer":
        return _first_that_reads(text, [_digits, _with_zeros, _short], pl.Int64())
    if dtype == "datetime":
        return _first_that_reads(text, [*_MOMENT_READERS, _midnight_of], pl.Datetime("us"))
    days = [_day, *(_day_of(reader) for reader in _MOMENT_READERS)]
    return _first_that_reads(text, days, pl.Date())


Reader = Callable[[pl.Expr], pl.Expr]


def _first_that_reads(text: pl.Expr, readers: Sequence[Reader], dtype: pl.DataType) -> pl.Expr:
    """Return for each text what the first reader makes of it that makes something of it.

    Nearly all texts of a column are of one form: a reader is asked only about those that the ones before left open.
    """

    def read(texts: pl.Series) -> pl.Series:
        frame = texts.to_frame("text")
        values = frame.select(readers[0](pl.col("text")))["text"]
        for reader in readers[1:]:
            left = values.is_null() & texts.is_not_null()
            if not left.any():
                break
            found = frame.filter(left).select(reader(pl.col("text")))["text"]
            values = values.scatter(left.arg_true(), found)
        return values

    return text.map_batches(read, return_dtype=dtype, is_elementwise=True)


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


def _of_typed(column: pl.Expr, source: pl.DataType, dtype: DType) -> pl.Expr | None:
    numeric = source.is_numeric() or source == pl.Boolean
    if dtype == "integer" and numeric:
        if source.is_decimal():
            # As text it is exact, whatever its places and its size.
            return _digits(column.cast(pl.String).str.replace(r"\.0*$", ""))
        limit = next((limit for kind, limit in _WHOLE.items() if source == kind), None)
        return column.cast(pl.Int64, strict=False) if limit is None else _whole(column.cast(pl.Float64), limit)
    if dtype == "number" and numeric:
        return column.cast(pl.Float64)
    if dtype == "boolean" and numeric:
        return pl.when(column == 0).then(pl.lit(False)).when(column == 1).then(pl.lit(True))
    if dtype in ("datetime", "date") and isinstance(source, (pl.Datetime, pl.Date)):
        moment = _microseconds(column, source)
        return moment.cast(pl.Datetime("us")) if dtype == "datetime" else _as_day(moment)
    return None


def _whole(value: pl.Expr, limit: float) -> pl.Expr:
    fits = (value == value.round()) & (value.abs() < limit)
    return pl.when(fits).then(value).cast(pl.Int64, strict=False)


def _microseconds(column: pl.Expr, source: pl.Datetime | pl.Date) -> pl.Expr:
    """Return moments as whole microseconds since 1970, UTC; null where they are finer, or too far away to be counted.

    As numbers: Polars panics about a moment that is too far away.
    """
    stored = column.to_physical().cast(pl.Int64)
    unit = "day" if isinstance(source, pl.Date) else source.time_unit
    if unit == "ns":
        return pl.when(stored % 1_000 == 0).then(stored // 1_000)
    each = {"day": _DAY, "ms": 1_000, "us": 1}[unit]
    most = (2**63 - 1) // each
    return pl.when(stored.is_between(-most, most)).then(stored) * each


def _as_day(moment: pl.Expr) -> pl.Expr:
    return pl.when(moment % _DAY == 0).then(moment // _DAY).cast(pl.Int32).cast(pl.Date)
