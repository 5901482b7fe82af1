"""How a number is distributed over the training split: quantiles, mean and deviation of one column in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl


@dataclass(frozen=True)
class Distribution:
    """The finite values of a field, in no order; ``rows`` counts all rows, with those that have no value."""

    values: pl.Series
    rows: int

    @property
    def size(self) -> int:
        """The number of rows that have a value."""
        return len(self.values)

    @property
    def median(self) -> float:
        return self.quantiles((0.5,), "linear")[0]

    def mapped(self, bend: Callable[[pl.Expr], pl.Expr]) -> "Distribution":
        """Return the distribution of a function of the values."""
        return Distribution(self.values.to_frame().select(bend(pl.first())).to_series(), self.rows)

    def moments(self) -> tuple[float, float]:
        """Return mean and deviation (of the whole, not of a sample); infinite or NaN if the sums do not fit."""
        return self.values.mean(), self.values.std(ddof=0)  # type: ignore[return-value]

    def quantiles(self, shares: Sequence[float], method: Literal["linear", "nearest"]) -> list[float]:
        """Return the values at shares of the order, 0 to 1: in proportion between two neighbours, or the nearer one."""
        values = self.values.sort() if len(shares) > 3 else self.values
        return [values.quantile(share, method) for share in shares]  # type: ignore[misc]


def distribution(column: pl.Series) -> Distribution:
    """Return the distribution of a column of numbers or booleans; what is null, NaN or infinite is no value."""
    values = column.cast(pl.Float64)
    # A condition that is null is not met.
    return Distribution(values.filter(values.is_finite()), len(column))
