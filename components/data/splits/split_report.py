"""How alike the splits are: every field and the label of each split, compared with training.

Numbers and moments are compared by the Kolmogorov-Smirnov distance at 19 quantiles of training (so up to 0.05 more
than it says), everything else by total variation over the most frequent values. Both run from 0 (alike) to 1.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.data.results import FieldShift, Split
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type

BINS = 20
VALUES = 50
SAMPLE = 200_000
REPORTED = 100_000
PLACE = "slipway:place"


def split_report(samples: Mapping[str, pl.DataFrame], contract: ContractSpec) -> tuple[FieldShift, ...]:
    """Return the distance of every field in every other split from training, the largest first.

    Fields that are not compared value by value (bytes, long text, vectors) have none.

    ``samples`` holds rows of each split: every n-th where there are more than ``REPORTED``, see ``sample_step``.
    """
    train = samples["train"]
    others = {name: sample for name, sample in samples.items() if name != "train"}
    # NumPy and Polars let go of the interpreter.
    with ThreadPoolExecutor(max_workers=2) as pool:
        fields = [field for field in contract.fields if is_compared(field)]
        found = pool.map(lambda field: distances(train, list(others.values()), field), fields)
        shifts = [
            FieldShift(field=field.name, split=name, distance=round(distance, 4))
            for field, apart in zip(fields, found, strict=True)
            for name, distance in zip(others, apart, strict=True)
        ]
    return tuple(sorted(shifts, key=lambda shift: (-shift.distance, shift.field, shift.split)))


def sample_step(size: int, rows: int = REPORTED) -> int:
    """Return n such that every n-th of ``size`` rows are at most ``rows``."""
    return max(-(-size // rows), 1)


def sampled(split: Split, contract: ContractSpec, rows: int = SAMPLE) -> pl.DataFrame:
    """Return the rows of a split, or every n-th of them if there are more than ``rows``; in the order of the file.

    Without the fields of which neither values nor words are compared, such as bytes.
    """
    fields = [field for field in contract.fields if is_compared(field) or value_type(field.dtype).python is str]
    return sampled_file(split.path, split.rows, fields, rows)


def sampled_file(path: Path, size: int, fields: Sequence[FieldSpec], rows: int = SAMPLE) -> pl.DataFrame:
    """Return the given fields of a file, of every n-th row if there are more than ``rows``; in the file's order."""
    frame = pl.scan_parquet(path, glob=False, row_index_name=PLACE)
    step = sample_step(size, rows)
    if step > 1:
        frame = frame.filter(pl.col(PLACE) % step == 0)
    return frame.select([field.name for field in fields]).collect(engine="streaming")


def is_compared(field: FieldSpec) -> bool:
    """Return whether a field's values have a distribution that can be compared: moments are ordered, too."""
    kind = value_type(field.dtype)
    return kind.compared is not None or kind.is_ordered


def distances(train: pl.DataFrame, others: Sequence[pl.DataFrame], field: FieldSpec) -> list[float]:
    """Return how far a field's distributions are from training's, 0 to 1; missing is a value like any other."""
    columns = [frame[field.name] for frame in (train, *others)]
    if value_type(field.dtype).compared == "category":
        before, *after = map(_frequencies, columns)
        return [_total_variation(before, shares) for shares in after]
    values = [_floats(column) for column in columns]
    known = values[0][~np.isnan(values[0])]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="nearest")) if known.size else np.zeros(0)
    first, *rest = [(np.isnan(part).mean(), _shares(part, edges)) for part in values]
    return [float(np.abs(first[1] - shares).max(initial=abs(first[0] - missing))) for missing, shares in rest]


def _floats(series: pl.Series) -> NDArray[np.float64]:
    return series.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of the values lies at or below each edge; NaN lies below none."""
    place = np.searchsorted(edges, values, side="left")
    counted = np.bincount(place[~np.isnan(values)], minlength=edges.size + 1)[: edges.size]
    shares: NDArray[np.float64] = counted.cumsum() / values.size
    return shares


def _frequencies(column: pl.Series) -> dict[str, float]:
    counts = column.cast(pl.String).value_counts(sort=True, name="slipway:rows").head(VALUES)
    return {value: count / len(column) for value, count in counts.iter_rows()}


def _total_variation(before: dict[str, float], after: dict[str, float]) -> float:
    gaps: list[float] = [abs(before.get(value, 0.0) - after.get(value, 0.0)) for value in before.keys() | after.keys()]
    return sum(gaps) / 2
