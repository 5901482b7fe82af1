"""Raw contract rows as the numbers a graph takes: NaN for missing, seconds for moments, indices for strings."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_contracts.spec import FieldSpec


def number_column(values: pl.Series, field: FieldSpec) -> NDArray[np.float64]:
    """Return a column that is not of strings as the graph takes it, shape [rows]."""
    if field.dtype in ("date", "datetime"):
        values = values.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1_000_000
    numbers = values.cast(pl.Float64)
    return (numbers.fill_null(float("nan")) if numbers.null_count() else numbers).to_numpy()


def text_indices(values: pl.Series) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Return the different strings of a column as objects, "" for missing at the end, and for each row its index."""
    # Categories of their own: the global ones would keep every string that was ever seen.
    coded = values if isinstance(values.dtype, pl.Categorical) else values.cast(pl.Categorical(pl.Categories.random()))
    arrow = coded.to_arrow()
    texts = np.append(arrow.dictionary.to_numpy(zero_copy_only=False), np.array([""], dtype=object))
    indices = arrow.indices.fill_null(len(texts) - 1) if arrow.null_count else arrow.indices
    return texts, indices.to_numpy()
