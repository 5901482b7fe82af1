"""Raw contract rows as the numbers a graph takes: NaN for missing, seconds for moments, indices for strings."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from components.data.record_batches import text_indices
from data_contracts.spec import FieldSpec


def number_column(values: pa.Array, field: FieldSpec) -> NDArray[np.float64]:
    """Return a column that is not of strings as the graph takes it, shape [rows]."""
    column = pl.Series(values)
    if field.dtype in ("date", "datetime"):
        column = column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1_000_000
    numbers = column.cast(pl.Float64)
    return (numbers.fill_null(float("nan")) if numbers.null_count() else numbers).to_numpy()


def text_column(values: pa.DictionaryArray) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the different strings of a column as objects, "" for missing at the end, and for each row its index."""
    texts = np.array([*values.dictionary.to_pylist(), ""], dtype=object)
    return texts, text_indices(values)
