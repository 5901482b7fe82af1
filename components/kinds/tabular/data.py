"""Tables for training: the features and labels of a split as tensors and arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.artefacts.errors import TrainingError
from components.data.results import Prepared
from components.kinds.tabular.preparation import FeatureFacts


@dataclass(frozen=True)
class Table:
    """Features and labels of a split: values float32 [rows, V], codes int64 [rows, C], labels [rows]."""

    values: Tensor
    codes: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: NDArray[np.bool_]) -> "Table":
        """Return some of the rows."""
        kept = torch.from_numpy(chosen)
        return Table(self.values[kept], self.codes[kept], self.labels[kept])

    def with_rows_of(self, other: "Table") -> "Table":
        """Return these rows, and behind them the other's."""
        pairs = ((self.values, other.values), (self.codes, other.codes), (self.labels, other.labels))
        return Table(*(torch.cat(pair) for pair in pairs))

    def matrix(self) -> NDArray[np.float32]:
        """Return values, then codes as numbers, side by side: what trees and linear models take."""
        return np.concatenate([self.values.numpy(), self.codes.numpy().astype(np.float32)], axis=1)


def read_table(prepared: Prepared, split: str) -> Table:
    """Return a prepared split; TrainingError if it has no rows, labels of one class only, or infinite features."""
    path = prepared.path / f"{split}.features.parquet"
    frame = pl.read_parquet(path, glob=False)
    labels = frame["label"].to_numpy()
    if len(labels) == 0 or labels.min() == labels.max():
        held = "no rows" if len(labels) == 0 else f"{len(labels)} rows, all with the label {labels[0]}"
        raise TrainingError(f"split {split} has {held}: nothing can be learnt from it; change its period")
    facts = FeatureFacts.of(prepared)
    values = frame.select(facts.values).cast(pl.Float32).to_numpy(order="c") if facts.values else None
    if values is not None:
        _check_finite(values, list(facts.values), split)
    with np.errstate(over="ignore"):
        numbers = labels.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise TrainingError(f"split {split}: the label has values too large to compute with: bound it in the contract")
    codes = frame.select(list(facts.codes)).cast(pl.Int64).to_numpy(order="c") if facts.codes else None
    return Table(
        values=_tensor(values, len(frame), np.float32),
        codes=_tensor(codes, len(frame), np.int64),
        labels=torch.from_numpy(numbers),
    )


def _check_finite(values: NDArray[np.float32], names: list[str], split: str) -> None:
    """Raise TrainingError for a feature that is infinite; missing ones may be NaN."""
    # Two numbers tell of all: no array of flags for what is nearly always good.
    if values.size and np.isfinite([np.fmax.reduce(values, axis=None), np.fmin.reduce(values, axis=None)]).all():
        return
    wrong = np.isinf(values)
    if wrong.any():
        place = int(wrong.any(axis=0).argmax())
        count = int(wrong[:, place].sum())
        raise TrainingError(
            f"split {split}: feature '{names[place]}' is too large to compute with in {count:,} of {len(values):,} "
            "rows: bound its field in the contract (ge, le), or clip it (features)"
        )


def _tensor(array: NDArray[Any] | None, rows: int, dtype: type[np.generic]) -> Tensor:
    whole = np.zeros((rows, 0), dtype) if array is None else np.ascontiguousarray(array, dtype=dtype)
    return torch.from_numpy(whole.copy() if not whole.flags.writeable else whole)
