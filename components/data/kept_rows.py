"""The rows of a snapshot that keep the contract, read where they are: the snapshot's file and a mask beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from data_contracts.frame_schema import frame_schema
from data_contracts.spec import ContractSpec

# The column of a mask, and its name beside the columns of a contract.
KEPT = "kept"
MARK = "slipway:kept"


class KeptRows(NamedTuple):
    """A snapshot's rows, and which of them are kept: a boolean for each of them in the file ``mask``."""

    rows: Path
    mask: Path
    contract: ContractSpec

    def scan(self, start: int = 0, size: int | None = None) -> pl.LazyFrame:
        """Return the kept ones of ``size`` rows of the snapshot, in its order, with the contract's columns alone."""
        marks = pl.scan_parquet(self.mask).select(pl.col(KEPT).alias(MARK))
        parts = [part.slice(start, size) for part in (pl.scan_parquet(self.rows), marks)]
        return pl.concat(parts, how="horizontal").filter(MARK).select(frame_schema(self.contract).names())

    def blocks(self, size: int) -> Iterator[pl.LazyFrame]:
        """Return the kept rows of ``size`` rows of the snapshot after the other."""
        read = pl.scan_parquet(self.mask).select(pl.len()).collect().item()
        return (self.scan(start, size) for start in range(0, read, size))
