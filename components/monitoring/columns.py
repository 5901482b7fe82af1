"""A column as a test of drift is given it: finite numbers, few categories or vectors; whether there is enough of it."""

import numpy as np
import polars as pl

# With fewer values on one side there is nothing to compare.
MIN_VALUES = 20
# Of texts and other categories the most frequent of the reference are told apart: all different ones are one category.
MOST_CATEGORIES, MIN_COUNT = 50, 5
OTHER = "(all others)"


def numbers(column: pl.Series) -> pl.Series:
    """Return a column as finite floats and nulls; what is not finite counts as missing."""
    values = column.cast(pl.Float64, strict=False)
    return values.set(~values.is_finite().fill_null(False), None)


def vectors(column: pl.Series) -> pl.Series:
    """Return a column of vectors of one length with nulls; one with a number that is not finite counts as missing."""
    finite = np.isfinite(column.to_numpy()).all(axis=1) if len(column) else np.zeros(0, bool)
    return pl.select(pl.when(pl.Series(finite)).then(column)).to_series().alias(column.name)


def categories(reference: pl.Series, column: pl.Series) -> pl.Series:
    """Return a column as texts: the frequent values of the reference, and one name for all others."""
    counted = reference.drop_nulls().cast(pl.String).value_counts(sort=True)
    frequent = counted.filter(pl.col("count") >= MIN_COUNT)[reference.name].head(MOST_CATEGORIES)
    texts = column.cast(pl.String)
    return (
        pl.select(
            pl.when(texts.is_null())
            .then(None)
            .when(texts.is_in(frequent.implode()))
            .then(texts)
            .otherwise(pl.lit(OTHER))
        )
        .to_series()
        .alias(column.name)
    )


def enough(reference: pl.Series, window: pl.Series) -> bool:
    """Say whether both have enough values to be compared."""
    return min(reference.count(), window.count()) >= MIN_VALUES
