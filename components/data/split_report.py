"""How alike the splits are: every field and the label of each split, compared with training.

Numbers and moments are compared by the Kolmogorov-Smirnov distance at 19 quantiles of training (so up to 0.05 more
than it says), everything else by total variation over the most frequent values. Both run from 0 (alike) to 1.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.data.results import FieldShift, Split
from data_contracts.spec import ContractSpec, FieldSpec

BINS = 20
VALUES = 50
SAMPLE = 200_000
PLACE = "slipway:place"


def split_report(splits: dict[str, Split], contract: ContractSpec) -> tuple[FieldShift, ...]:
    """Return the distance of every field in every other split from training, the largest first."""
    train = sampled(splits["train"], contract)
    others = {name: sampled(split, contract) for name, split in splits.items() if name != "train"}
    shifts = [
        FieldShift(field=field.name, split=name, distance=round(distance(train, frame, field), 4))
        for field in contract.fields
        for name, frame in others.items()
    ]
    return tuple(sorted(shifts, key=lambda shift: (-shift.distance, shift.field, shift.split)))


def sampled(split: Split, contract: ContractSpec, rows: int = SAMPLE) -> pl.DataFrame:
    """Return the rows of a split, or every n-th of them if there are more than ``rows``; in the order of the file."""
    return sampled_file(split.path, split.rows, contract.fields, rows)


def sampled_file(path: Path, size: int, fields: Sequence[FieldSpec], rows: int = SAMPLE) -> pl.DataFrame:
    """Return the given fields of a file, of every n-th row if there are more than ``rows``; in the file's order."""
    frame = pl.scan_parquet(path, row_index_name=PLACE)
    step = -(-size // rows)
    if step > 1:
        frame = frame.filter(pl.col(PLACE) % step == 0)
    return frame.select([field.name for field in fields]).collect(engine="streaming")


def distance(train: pl.DataFrame, other: pl.DataFrame, field: FieldSpec) -> float:
    """Return how far a field's distribution is from training's, 0 to 1; missing is a value like any other."""
    if field.dtype in ("string", "boolean"):
        return _total_variation(train[field.name], other[field.name])
    before, after = (_floats(frame[field.name]) for frame in (train, other))
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="nearest")) if known.size else np.zeros(0)
    gaps = np.abs(_shares(before, edges) - _shares(after, edges))
    return float(gaps.max(initial=abs(np.isnan(before).mean() - np.isnan(after).mean())))


def _floats(series: pl.Series) -> NDArray[np.float64]:
    return series.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of the values lies at or below each edge; NaN lies below none."""
    place = np.searchsorted(edges, values, side="left")
    counted = np.bincount(place[~np.isnan(values)], minlength=edges.size + 1)[: edges.size]
    shares: NDArray[np.float64] = counted.cumsum() / values.size
    return shares


def _total_variation(train: pl.Series, other: pl.Series) -> float:
    shares = []
    for series in (train, other):
        counts = series.cast(pl.String).value_counts(sort=True).head(VALUES)
        shares.append({value: count / len(series) for value, count in counts.iter_rows()})
    before, after = shares
    gaps: list[float] = [abs(before.get(value, 0.0) - after.get(value, 0.0)) for value in before.keys() | after.keys()]
    return sum(gaps) / 2
