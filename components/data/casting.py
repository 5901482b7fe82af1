"""Source columns to the contract's types: lossless or not at all, and what fails keeps its text.

Text becomes numbers, times and booleans; whole floats become integers; a time with a zone becomes its UTC clock.
"""

import difflib
from typing import NamedTuple

import polars as pl

from components.errors import ContractError
from data_contracts.frame_schema import POLARS_TYPES, raw_column
from data_contracts.spec import ContractSpec, DType, FieldSpec

_BOOLEANS = {"true": True, "false": False, "t": True, "f": False, "yes": True, "no": False, "1": True, "0": False}
_MOMENTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_INTEGERS_OF_FLOATS = 2.0**63


class Cast(NamedTuple):
    """How one field is made: its value, and the text of what would not become one (None if nothing can fail)."""

    field: FieldSpec
    value: pl.Expr
    raw: pl.Expr | None


def contract_casts(schema: pl.Schema, contract: ContractSpec) -> list[Cast]:
    """Return a cast for each field, in order; ContractError names a column that is missing or of no use."""
    missing = [field.name for field in contract.fields if field.name not in schema]
    if missing:
        raise ContractError(_missing(missing, schema, contract))
    return [_cast(field, schema[field.name], contract) for field in contract.fields]


def cast_columns(casts: list[Cast]) -> list[pl.Expr]:
    """Return the columns of a snapshot: every field, then the raw text of those that can fail."""
    values = [cast.value.alias(cast.field.name) for cast in casts]
    return values + [cast.raw.alias(raw_column(cast.field.name)) for cast in casts if cast.raw is not None]


def _missing(missing: list[str], schema: pl.Schema, contract: ContractSpec) -> str:
    found = schema.names()
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
        f"{contract.name}: the source has no column {', '.join(guesses)}{more}; it has: {listed or 'none'}. "
        "Rename it in the source, or change the contract"
    )


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
            f"{contract.name}: column '{field.name}' is {source}, which cannot become a {field.dtype}: "
            "convert it in the source, or change the contract"
        )
    present = column.is_not_null() & column.is_not_nan() if source.is_float() else column.is_not_null()
    return Cast(field, value, pl.when(present & value.is_null()).then(column.cast(pl.String)))


def _of_text(column: pl.Expr, dtype: DType) -> pl.Expr:
    text = column.str.strip_chars()
    if dtype == "boolean":
        lower = text.str.to_lowercase()
        return lower.replace_strict(list(_BOOLEANS), list(_BOOLEANS.values()), default=None, return_dtype=pl.Boolean)
    if dtype == "number":
        return text.cast(pl.Float64, strict=False)
    if dtype == "integer":
        return pl.coalesce(text.cast(pl.Int64, strict=False), _whole(text.cast(pl.Float64, strict=False)))
    day = text.str.to_date("%Y-%m-%d", strict=False)
    moments = [text.str.to_datetime(form, time_unit="us", strict=False) for form in _MOMENTS]
    zoned = [
        text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
        for form in _ZONED
    ]
    moment = pl.coalesce(*moments, *zoned)
    if dtype == "datetime":
        return pl.coalesce(moment, day.cast(pl.Datetime("us")))
    return pl.coalesce(day, _midnight(moment))


def _of_typed(column: pl.Expr, source: pl.DataType, dtype: DType) -> pl.Expr | None:
    numeric = source.is_numeric() or source == pl.Boolean
    if dtype == "integer" and numeric:
        floats = source.is_float() or source.is_decimal()
        return _whole(column.cast(pl.Float64)) if floats else column.cast(pl.Int64, strict=False)
    if dtype == "number" and numeric:
        return column.cast(pl.Float64)
    if dtype == "boolean" and numeric:
        return pl.when(column == 0).then(pl.lit(False)).when(column == 1).then(pl.lit(True))
    if dtype in ("datetime", "date") and source.is_temporal() and source != pl.Time and not source.is_(pl.Duration):
        moment = column.cast(pl.Datetime("us", getattr(source, "time_zone", None)))
        if getattr(source, "time_zone", None):
            moment = moment.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return moment if dtype == "datetime" else _midnight(moment)
    return None


def _whole(value: pl.Expr) -> pl.Expr:
    fits = (value == value.round()) & (value >= -_INTEGERS_OF_FLOATS) & (value < _INTEGERS_OF_FLOATS)
    return pl.when(fits).then(value).cast(pl.Int64, strict=False)


def _midnight(moment: pl.Expr) -> pl.Expr:
    return pl.when(moment.dt.date().cast(pl.Datetime("us")) == moment).then(moment.dt.date())
