"""Categories in an order that trees can cut: by what the label is where they stand.

A tree cuts a number in two. Of values without an order it can only cut off what the numbering happens to put side by
side; ordered by the label's mean, the best cut of a set of categories in two is one cut of their order (Fisher 1958;
Breiman et al. 1984), and for several classes nearly so along the first principal component of the classes' shares
(Coppersmith, Hong & Hosking 1999; Wright & König 2019).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from components.kinds.tabular.data import Table

# Rows of the overall mean that are added to each category, so that a rare one does not lie at an end by chance.
PRIOR = 10.0


class Codes(NamedTuple):
    """Of each column of codes the cardinality, and whether its values are names, in no order."""

    cardinalities: tuple[int, ...] = ()
    named: tuple[bool, ...] = ()


NO_CODES = Codes()


@dataclass(frozen=True)
class Order:
    """For each column of codes the number that stands for each code: its place in the order."""

    places: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def of(cls, table: Table, codes: Codes, classes: int = 0) -> "Order":
        """Learn the order from the rows of a table; codes that have one stay as they are.

        ``classes`` is how many there are if the label is a class of several.
        """
        if not any(codes.named):
            return cls()
        labels = table.labels.numpy().astype(np.float64)
        target = np.eye(classes)[labels.astype(np.int64)] if classes else labels[:, None]
        columns = zip(table.codes.numpy().T, codes.cardinalities, codes.named, strict=True)
        return cls(
            tuple(
                _ranks(column, target, count) if named else np.arange(count, dtype=np.float32)
                for column, count, named in columns
            )
        )

    def applied(self, table: Table) -> Table:
        """Return a table with numbers in place of its codes."""
        if not self.places:
            return table
        codes = table.codes.numpy()
        numbers = np.stack([place[codes[:, column]] for column, place in enumerate(self.places)], axis=1)
        return Table(torch.cat([table.values, torch.from_numpy(numbers)], dim=1), table.codes[:, :0], table.labels)


def _ranks(codes: NDArray[np.int64], target: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    rows = np.bincount(codes, minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(codes, column, minlength=count) for column in target.T], axis=1)
    overall = target.mean(axis=0)
    apart = (sums + PRIOR * overall) / (rows + PRIOR)[:, None] - overall
    if target.shape[1] == 1:
        along = apart[:, 0]
    else:
        _, _, axes = np.linalg.svd(apart * np.sqrt(rows)[:, None], full_matrices=False)
        axis = axes[0]
        # Either direction is as good; the same data must give the same one.
        along = apart @ (axis * np.sign(axis[np.abs(axis).argmax()]))
    # To nine digits: what differs by rounding alone has one place.
    return np.unique(along.round(9), return_inverse=True)[1].astype(np.float32)
