"""Slices of a column may be called as anything that Polars calls what it counts."""

import polars as pl
import pytest

from components.evaluation.slices import MAX_VALUES, _beyond, values_of


@pytest.mark.parametrize("name", ["count", "len", "literal", "slipway:rows "])
def test_values_of_a_column_of_any_name_are_counted(name: str) -> None:
    column = pl.Series(name, [f"v{place % (MAX_VALUES + 5)}" for place in range(200)])
    assert len(values_of(column)) == MAX_VALUES
    assert _beyond(column) == [f"5 values beyond the {MAX_VALUES} most frequent (20 rows, at most 4 of one value)"]
