"""Raw contract rows of a Parquet file as the tensors a graph takes: "" and NaN for missing, seconds for moments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray


def raw_batches(rows: Path, fields: tuple[tuple[str, str], ...], size: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield a Parquet file of contract rows as the tensors a graph takes; ``fields`` are (name, contract type)."""
    frame = pl.read_parquet(rows, columns=[name for name, _ in fields])
    for batch in frame.iter_slices(size):
        yield {name: _column(batch[name], dtype) for name, dtype in fields}


def _column(series: pl.Series, dtype: str) -> NDArray[Any]:
    if dtype == "string":
        return np.array(series.fill_null("").to_list(), dtype=object)
    if dtype in ("date", "datetime"):
        moments = series.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1_000_000
        return moments.fill_null(float("nan")).to_numpy()
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
