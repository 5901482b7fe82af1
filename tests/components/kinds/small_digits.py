"""Splits of handwritten digits, as the stage before training would leave them."""

from pathlib import Path

import polars as pl

from components.data.results import Prepared, Split


def prepare_digits(folder: Path, rows: pl.DataFrame) -> Prepared:
    """Write splits of 900, 300 and 300 rows."""
    folder.mkdir(parents=True)
    ends = {"train": (0, 900), "validation": (900, 1_200), "test": (1_200, 1_500)}
    splits = {}
    for name, (start, end) in ends.items():
        path = folder / f"{name}.parquet"
        rows[start:end].write_parquet(path)
        splits[name] = Split(name=name, path=path, rows=len(rows[start:end]), positives=None)
    return Prepared(digest="d", path=folder, splits=splits, assets={}, facts={}, by="random")
