"""Parts of a small table that judge models of the other parts: a validation split of 30 rows cannot choose a model.

Where rows are so few, training and validation together are judged crosswise (Stone 1974): five times the work on a
table on which that is little, for six times the rows.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.data.results import Prepared
from components.evaluation.units import units_of
from components.kinds.tabular.data import Table
from data_contracts.description.spec import ContractSpec

FOLDS = 5
# Rows, and values a tree of each answered number looks at, up to which it is quick.
ROWS, VALUES = 10_000, 2_000_000
REFIT_ROWS = 200_000


def is_in_order(prepared: Prepared) -> bool:
    """Return whether later splits are later in time, so that nothing may judge or teach what came before it."""
    return prepared.by in (None, "time")


def folds_of(
    known: Table, prepared: Prepared, contract: ContractSpec, columns: int, declared: int | None
) -> NDArray[np.int64] | None:
    """Return the fold of each row of training and validation together; None if the validation split judges.

    ``columns`` are the numbers a row is answered with. Rows with the same inputs, or of one group, lie in one fold.
    """
    count = FOLDS if declared is None else declared
    if count < 2 or is_in_order(prepared):
        return None
    width = known.values.shape[1] + known.codes.shape[1]
    if declared is None and (len(known) > ROWS or len(known) * width * columns > VALUES):
        return None
    blocks = _blocks(known, prepared, contract)
    labels = known.labels.numpy()
    first = np.unique(blocks, return_index=True)[1]
    if contract.label.dtype == "boolean" or contract.label.allowed:
        # By class, in an order that is drawn.
        if np.unique(labels[first], return_counts=True)[1].min() < count:
            return None
        order = np.lexsort((np.random.default_rng(0).random(len(first)), labels[first]))
    else:
        order = np.random.default_rng(0).permutation(len(first))
    if len(first) < 2 * count:
        return None
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % count
    return fold[blocks]


def _blocks(known: Table, prepared: Prepared, contract: ContractSpec) -> NDArray[np.int64]:
    """Return a number for each row, the same for rows that belong together."""
    if prepared.by == "group":
        names = [field.name for field in contract.with_role("group")]
        splits = [prepared.splits[name].path for name in ("train", "validation")]
        rows = pl.concat(pl.read_parquet(path, glob=False, columns=names) for path in splits)
        units = units_of(rows, contract).get("group", ())
        if units and units[0].blocks is not None:
            return units[0].blocks
    return np.unique(known.matrix(), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
