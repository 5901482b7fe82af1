"""The unit that rows come in: rows of one day, or of one customer, are alike, and an interval draws them together.

A bootstrap of single rows promises too much where rows are alike (Field & Welsh 2007): the weather of a day, the habits
of a customer are seen once, not once a row.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_contracts.description.spec import ContractSpec

# Fewer than this have no spread that could be known.
MIN_UNITS = 10
# With fewer rows the bootstrap promises too much: ten rows that happen to be ranked perfectly have no spread at all.
MIN_ROWS = 100


@dataclass(frozen=True)
class Unit:
    """What is drawn when an interval is made: single rows, or whole blocks of them; ``blocks`` is a number a row."""

    name: str = "row"
    blocks: NDArray[np.int64] | None = None

    @property
    def count(self) -> int | None:
        """How many there are; None for single rows."""
        return None if self.blocks is None else len(np.unique(self.blocks))

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Unit":
        """Return the unit of some of the rows."""
        return self if self.blocks is None else Unit(self.name, self.blocks[rows])


ROWS = Unit()


def units_of(rows: pl.DataFrame, contract: ContractSpec) -> dict[str, tuple[Unit, ...]]:
    """Return what rows can be drawn by, under the words of the workload file: row, day, group.

    What has a block for every row is the row itself and left out.
    """
    found: dict[str, tuple[Unit, ...]] = {"row": (ROWS,)}
    times = [field for field in contract.with_role("time") if field.name in rows.columns]
    if times:
        days = rows[times[0].name].cast(pl.Date).cast(pl.Int64).fill_null(-1).to_numpy()
        found["day"] = _blocks("day", days)
    groups = [field.name for field in contract.with_role("group") if field.name in rows.columns]
    if groups:
        found["group"] = tuple(unit for name in groups for unit in _blocks(name, _codes(rows[name])))
    return found


def _codes(column: pl.Series) -> NDArray[np.int64]:
    texts = column.cast(pl.String).cast(pl.Categorical).to_physical()
    codes: NDArray[np.int64] = texts.cast(pl.Int64).fill_null(-1).to_numpy()
    return codes


def _blocks(name: str, codes: NDArray[np.int64]) -> tuple[Unit, ...]:
    places = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return (Unit(name, places),) if places.size and places.max() + 1 < len(places) else ()
