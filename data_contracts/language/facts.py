"""Figures about a data set as a whole that Polars finds over all rows, for Great Expectations to judge.

Some are expectations that Great Expectations does not have:

    ExpectCorrelationToBeBetween  columns: [a, b], min_value, max_value   Pearson's correlation of two columns
    ExpectColumnToBeFresh         column, max_age_hours                   age of the latest moment, now in UTC
    ExpectColumnValuesToBeKnown   column, path, known_column, share       values that a Parquet file has, too

The others are what a sample cannot tell (the number of rows, and of values that are there more than once), and
quantiles: Great Expectations 1.24 judges them on pandas with numpy booleans, which it cannot write into its documents.
What is asked of the columns themselves is answered by the contract: only the columns that are needed are handed on.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from data_contracts.description.spec import ContractSpec, Expectation
from data_contracts.language.expectation_arguments import CORRELATION, FRESH, KNOWN, QUANTILES, SCHEMA
from data_contracts.language.frame_schema import frame_schema

BY_POLARS = "all rows, by Polars"
BY_CONTRACT = "the contract's fields"


class Fact(NamedTuple):
    """A figure, and the limits it has to keep; ``value`` is one number over all rows."""

    name: str
    value: pl.Expr
    low: float | None = None
    high: float | None = None
    basis: str = BY_POLARS


def fact_of(expectation: Expectation, contract: ContractSpec, *, sampled: bool) -> Fact | None:
    """Return the figure that an expectation is about, or None if it is judged on the rows themselves.

    Arguments have been checked, but for a file of known values. Raises TypeError for one that cannot be compared, and
    for an argument that is missing.
    """
    asked, given = expectation.expectation, dict[str, Any](expectation.arguments)
    try:
        if asked == CORRELATION:
            one, other = given["columns"]
            return _correlation(one, other, given.get("min_value"), given.get("max_value"))
        if asked == FRESH:
            return _age(given["column"], given["max_age_hours"])
        if asked == KNOWN:
            return _known(contract, given["column"], given["path"], given["known_column"], given.get("share", 1.0))
        if asked == QUANTILES:
            return _quantiles(given["column"], **given["quantile_ranges"])
        if asked in SCHEMA:
            return _columns(asked, given, [field.name for field in contract.fields])
        if sampled and asked in _COUNTED:
            return _count(asked, given)
    except KeyError as error:
        raise TypeError(f"{asked} needs the argument {error}") from error
    return None


_COUNTED = ("ExpectTableRowCountToBeBetween", "ExpectTableRowCountToEqual", "ExpectColumnValuesToBeUnique")


def _count(asked: str, given: dict[str, Any]) -> Fact:
    """Return a figure that a sample cannot tell."""
    if given.get("row_condition"):
        raise TypeError(f"{asked} with a row_condition cannot be told from a sample of so many rows: leave that out")
    if asked == "ExpectTableRowCountToBeBetween":
        return Fact("number of rows", pl.len(), given.get("min_value"), given.get("max_value"))
    if asked == "ExpectTableRowCountToEqual":
        return Fact("number of rows", pl.len(), given["value"], given["value"])
    column = pl.col(given["column"]).drop_nulls()
    return Fact(f"repeated values of {given['column']}", column.len() - column.n_unique(), None, 0)


def _columns(asked: str, given: dict[str, Any], names: list[str]) -> Fact:
    """Return a figure about the columns of a contract."""
    if asked == "ExpectTableColumnCountToEqual":
        return Fact("number of columns", pl.lit(len(names)), given["value"], given["value"], BY_CONTRACT)
    if asked == "ExpectTableColumnCountToBeBetween":
        low, high = given.get("min_value"), given.get("max_value")
        return Fact("number of columns", pl.lit(len(names)), low, high, BY_CONTRACT)
    if asked == "ExpectColumnToExist":
        place = given.get("column_index")
        there = given["column"] in names and place in (None, names.index(given["column"]))
        return Fact(f"columns {given['column']}", pl.lit(int(there)), 1, None, BY_CONTRACT)
    if asked == "ExpectTableColumnsToMatchSet":
        wanted = set(given["column_set"])
        apart = wanted - set(names) | (set(names) - wanted if given.get("exact_match", True) else set())
        return Fact("columns that are missing or too many", pl.lit(len(apart)), None, 0, BY_CONTRACT)
    pairs = itertools.zip_longest(given["column_list"], names)
    return Fact("columns out of place", pl.lit(sum(a != b for a, b in pairs)), None, 0, BY_CONTRACT)


def _correlation(one: str, other: str, low: float | None, high: float | None) -> Fact:
    value = pl.corr(pl.col(one).cast(pl.Float64), pl.col(other).cast(pl.Float64))
    return Fact(f"correlation of {one} and {other}", value, low, high)


def _quantiles(column: str, quantiles: Sequence[float], value_ranges: Sequence[Sequence[float | None]]) -> Fact:
    outside = pl.lit(0)
    for share, (low, high) in zip(quantiles, value_ranges, strict=True):
        value = pl.col(column).cast(pl.Float64).quantile(share, "linear")
        outside = outside + (pl.lit(False) if low is None else value < low) + (False if high is None else value > high)
    return Fact(f"quantiles of {column} out of their ranges", outside, None, 0)


def _age(column: str, hours: float) -> Fact:
    now = datetime.now(UTC).replace(tzinfo=None)
    age = pl.lit(now) - pl.col(column).cast(pl.Datetime("us")).max()
    return Fact(f"age of {column} in hours", age.dt.total_seconds() / 3600, None, hours)


def _known(contract: ContractSpec, column: str, path: str, known_column: str, share: float) -> Fact:
    try:
        known = pl.read_parquet(path, glob=False, columns=[known_column])[known_column]
    except (OSError, pl.exceptions.PolarsError) as error:
        told = " ".join(str(error).split())
        raise TypeError(f"{KNOWN}: 'path': '{known_column}' of {path} cannot be read: {told}") from error
    dtype = frame_schema(contract)[column]
    values = _alike(known, dtype)
    if values is None:
        raise TypeError(
            f"{KNOWN}: 'known_column' takes values of the type of '{column}' ({contract.field(column).dtype}); "
            f"'{known_column}' of {path} has {known.dtype}"
        )
    found = pl.col(column).drop_nulls().cast(values.dtype).is_in(values.implode()).mean()
    return Fact(f"share of {column} known to {known_column}", found, share, None)


def _alike(known: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """Return known values of a type that a field's values can be compared in, None if there is none."""
    own = known.dtype
    if own in (pl.Categorical, pl.Enum):
        known, own = known.cast(pl.String), pl.String()
    if own == dtype:
        return known
    if dtype.is_numeric() and own.is_numeric():
        # 1.5 is no integer, and must not become one that is known.
        whole = known.filter(known == known.round()) if dtype.is_integer() and own.is_float() else known
        return whole.cast(dtype, strict=False)
    if all(isinstance(one, (pl.Date, pl.Datetime)) and not getattr(one, "time_zone", None) for one in (dtype, own)):
        return known.cast(pl.Datetime("us"))
    return None
