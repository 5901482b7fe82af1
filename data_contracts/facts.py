"""Figures about a data set as a whole that Polars finds over all rows, for Great Expectations to judge.

Some are expectations that Great Expectations does not have:

    ExpectCorrelationToBeBetween  columns: [a, b], min_value, max_value   Pearson's correlation of two columns
    ExpectColumnToBeFresh         column, max_age_hours                   age of the latest moment, now in UTC
    ExpectColumnValuesToBeKnown   column, path, known_column, share       values that a Parquet file has, too

The others are what a sample cannot tell (the number of rows, and of values that are there more than once), and
quantiles: Great Expectations 1.24 judges them on pandas with numpy booleans, which it cannot write into its documents.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from data_contracts.spec import Expectation


class Fact(NamedTuple):
    """A figure, and the limits it has to keep; ``value`` is one number over all rows."""

    name: str
    value: pl.Expr
    low: float | None = None
    high: float | None = None


def fact_of(expectation: Expectation, *, sampled: bool) -> Fact | None:
    """Return the figure that an expectation is about, or None if it is judged on the rows themselves.

    Raises TypeError for an argument that is missing.
    """
    given: dict[str, Any] = dict(expectation.arguments)
    try:
        if expectation.expectation == "ExpectCorrelationToBeBetween":
            one, other = given["columns"]
            return _correlation(one, other, given.get("min_value"), given.get("max_value"))
        if expectation.expectation == "ExpectColumnToBeFresh":
            return _age(given["column"], given["max_age_hours"])
        if expectation.expectation == "ExpectColumnValuesToBeKnown":
            return _known(given["column"], given["path"], given["known_column"], given.get("share", 1.0))
        if expectation.expectation == "ExpectColumnQuantileValuesToBeBetween":
            return _quantiles(given["column"], **given["quantile_ranges"])
        if sampled and expectation.expectation == "ExpectTableRowCountToBeBetween":
            return Fact("number of rows", pl.len(), given.get("min_value"), given.get("max_value"))
        if sampled and expectation.expectation == "ExpectColumnValuesToBeUnique":
            column = pl.col(given["column"]).drop_nulls()
            return Fact(f"repeated values of {given['column']}", column.len() - column.n_unique(), None, 0)
    except KeyError as error:
        raise TypeError(f"{expectation.expectation} needs the argument {error}") from error
    return None


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


def _known(column: str, path: str, known_column: str, share: float) -> Fact:
    try:
        known = pl.read_parquet(path, columns=[known_column])[known_column]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TypeError(f"ExpectColumnValuesToBeKnown cannot read '{known_column}' of {path}: {error}") from error
    found = pl.col(column).drop_nulls().is_in(known.implode()).mean()
    return Fact(f"share of {column} known to {known_column}", found, share, None)
