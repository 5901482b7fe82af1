"""Source columns to the contract's types: lossless or not at all, and what fails keeps its text.

Text becomes numbers, times and booleans; whole floats become integers; a time with a zone becomes its UTC clock. Only a
number is rounded, to the nearest that 64 bits hold: that is what a number is.
"""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from components.artefacts.errors import ContractError
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from data_contracts.language.frame_schema import raw_column
from data_contracts.language.types.moments import DAY
from data_contracts.language.types.registry import column_type

_YEAR_1, _YEAR_10000 = -719_162 * DAY, 2_932_897 * DAY

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
    for name in missing:
        close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
        guesses.append(f"'{name}'" + (f" (did '{_shown(lower[close[0]])}' mean this?)" if close else ""))
    listed = ", ".join(_shown(name) for name in found[:30]) + (
        f" and {len(found) - 30} more" if len(found) > 30 else ""
    )
    return (
        f"{contract.name}: {where} has no column {', '.join(guesses)}; it has: {listed or 'none'}. "
        "Rename it with source.rename in the workload file, or change the contract"
    )


def as_text(column: pl.Expr, source: pl.DataType) -> pl.Expr:
    """Return the values of a column of the type ``source`` as text."""
    if not isinstance(source, (pl.Datetime, pl.Date)):
        return column.cast(pl.String)
    # Polars panics, too, when it is to name a year that is too far away.
    unit = "days" if isinstance(source, pl.Date) else source.time_unit
    each = {"days": DAY, "ms": 1_000, "us": 1, "ns": 1e-3}[unit]
    stored = column.to_physical().cast(pl.Int64)
    named = pl.when(stored.is_between(int(_YEAR_1 / each), int(_YEAR_10000 / each))).then(column).cast(pl.String)
    return pl.coalesce(named, pl.format("{} " + unit + " since 1970", stored))


def _shown(name: str) -> str:
    """Return a column's name for a message: a file without a header may have anything for one."""
    flat = " ".join(name.split())
    return flat if len(flat) <= 40 else f"{flat[:37]}..."


def _cast(field: FieldSpec, source: pl.DataType, contract: ContractSpec) -> Cast:
    column, kind = pl.col(field.name), column_type(field.dtype)
    if source == kind.polars or source == pl.Null:
        return Cast(field, column.cast(kind.polars), None)
    if isinstance(source, (pl.Categorical, pl.Enum)):
        column, source = column.cast(pl.String), pl.String()
    made = kind.cast(column, source)
    if made is None:
        raise ContractError(
            f"{contract.name}: column '{field.name}' is {source}, which cannot become "
            f"{value_type(field.dtype).article} {field.dtype}: convert it in the source, or change the contract"
        )
    value, may_fail = made
    if not may_fail:
        return Cast(field, value, None)
    present = column.is_not_null() & column.is_not_nan() if source.is_float() else column.is_not_null()
    return Cast(field, value, pl.when(present & value.is_null()).then(as_text(column, source)))
