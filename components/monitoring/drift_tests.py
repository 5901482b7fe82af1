"""Tests of one column of a window against the reference: its values, and apart from them how many are missing.

A p-value says whether the two could be draws of one distribution, a distance says how far apart they are. Both are
numbers for whatever a column holds: constants, nothing at all, huge integers, texts that are all different.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

# SciPy loads its parts when they are first used: statistics take two seconds, which most commands never need.

# With fewer values on one side there is nothing to compare.
MIN_VALUES = 20
# Of texts and other categories the most frequent of the reference are told apart: all different ones are one category.
MOST_CATEGORIES, MIN_COUNT = 50, 5
OTHER = "(all others)"
# Of a distance in standard deviations that are all zero.
FAR = 1e6


class Found(NamedTuple):
    """What a test found: its name, the p-value, the distance's name, the distance."""

    test: str
    p_value: float
    distance: str
    effect: float


def numbers(column: pl.Series) -> pl.Series:
    """Return a column as finite floats and nulls; what is not finite counts as missing."""
    values = column.cast(pl.Float64, strict=False)
    return values.set(~values.is_finite().fill_null(False), None)


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


def compare_numbers(reference: pl.Series, window: pl.Series) -> Found:
    """Compare values by Kolmogorov-Smirnov, and by the Wasserstein distance in the reference's standard deviations."""
    before, after = _values(reference), _values(window)
    p_value = float(scipy.stats.ks_2samp(before, after, method="asymp").pvalue)
    # Scaled before they are squared: a square of 1e200 is not finite.
    size = max(float(np.abs(before).max()), float(np.abs(after).max())) or 1.0
    before, after = before / size, after / size
    apart, scale = float(scipy.stats.wasserstein_distance(before, after)), float(before.std())
    effect = 0.0 if not apart else min(apart / scale, FAR) if scale else FAR
    return Found("ks", p_value, "wasserstein", effect)


def compare_categories(reference: pl.Series, window: pl.Series) -> Found:
    """Compare values by the chi-square test of two samples, and by the Jensen-Shannon distance."""
    table = _table(reference, window)
    if table.shape[1] < 2:
        return Found("chi-square", 1.0, "jensen-shannon", 0.0)
    p_value = float(scipy.stats.chi2_contingency(table, correction=False).pvalue)
    return Found("chi-square", p_value, "jensen-shannon", _distance(table))


def compare_missing(reference: pl.Series, window: pl.Series) -> Found:
    """Compare the shares of missing values by Fisher's exact test, and by the Jensen-Shannon distance."""
    table = np.array([[one.null_count(), len(one) - one.null_count()] for one in (reference, window)], dtype=np.int64)
    return Found(
        "fisher", float(scipy.stats.fisher_exact(table).pvalue), "jensen-shannon", _distance(table.astype(np.float64))
    )


def enough(reference: pl.Series, window: pl.Series) -> bool:
    """Say whether both have enough values to be compared."""
    return min(reference.count(), window.count()) >= MIN_VALUES


def significant(p_values: list[float], rate: float) -> list[bool]:
    """Return which survive Benjamini & Hochberg (1995) at that rate of false discoveries."""
    return [bool(p <= rate) for p in scipy.stats.false_discovery_control(p_values, method="bh")] if p_values else []


def _values(column: pl.Series) -> NDArray[np.float64]:
    return column.drop_nulls().to_numpy()


def _table(reference: pl.Series, window: pl.Series) -> NDArray[np.float64]:
    """Return the counts [2, categories] of what occurs on either side."""
    counts = [dict(one.drop_nulls().value_counts().iter_rows()) for one in (reference, window)]
    names = sorted({*counts[0], *counts[1]})
    return np.array([[one.get(name, 0) for name in names] for one in counts], dtype=np.float64)


def _distance(table: NDArray[np.float64]) -> float:
    totals = table.sum(axis=1)
    if not totals.all():
        return 0.0
    apart = float(scipy.spatial.distance.jensenshannon(table[0], table[1], base=2))
    # Rounding can make the root of a sum that is zero imaginary.
    return apart if np.isfinite(apart) else 0.0
