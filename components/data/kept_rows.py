"""The rows of a snapshot that keep the contract, read where they are: the snapshot's file and a mask beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from data_contracts.description.spec import ContractSpec
from data_contracts.language.frame_schema import frame_schema

# The column of a mask, and its name beside the columns of a contract.
KEPT = "kept"
MARK = "slipway:kept"


class KeptRows(NamedTuple):
    """A snapshot's rows, and which of them are kept: a boolean for each of them in the file ``mask``."""

    rows: Path
    mask: Path
    contract: ContractSpec

    def scan(self) -> pl.LazyFrame:
        """Return the kept rows in the snapshot's order, with the contract's columns alone."""
        return self._marked(0, None).filter(MARK).drop(MARK)

    def blocks(self, size: int) -> Iterator[pl.LazyFrame]:
        """Return ``size`` rows of the snapshot after the other, whether kept or not in the column ``MARK``.

        For who picks rows of them anyway: to drop the refused ones first would copy every column once more.
        """
        read = pl.scan_parquet(self.mask, glob=False).select(pl.len()).collect().item()
        return (self._marked(start, size) for start in range(0, read, size))

    def _marked(self, start: int, size: int | None) -> pl.LazyFrame:
        rows = pl.scan_parquet(self.rows, glob=False).select(frame_schema(self.contract).names())
        marks = pl.scan_parquet(self.mask, glob=False).select(pl.col(KEPT).alias(MARK))
        return pl.concat([part.slice(start, size) for part in (rows, marks)], how="horizontal")
