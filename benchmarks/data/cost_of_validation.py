"""What the row checks add to reading and writing the same data: processor and wall seconds, in turns.

python -m benchmarks.data.cost_of_validation 5000000

Compared are Slipway's finding and writing which rows of a snapshot are kept and which refused, with every reason, and
Polars reading the same file and writing it again in the same way. What is asked of the rows for validation already
while a snapshot is taken, and they are in memory, is part of validating. Dataset-level expectations are not in it: they
cost the same few seconds for any number of rows.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks.data.compare_with_pandas import show
from benchmarks.data.flight_rows import write_flights
from components.data.parquet import sink
from components.data.quarantine import divide
from components.data.results import Snapshot
from components.data.sources.snapshots import have_nan
from data_contracts.flights import Flight

ROUNDS = 5


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and processor seconds of an action."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def main(rows: int) -> None:
    """Time both, in turns, and print the median of what checking adds."""
    contract = Flight.spec()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_flights(rows, folder / "generated.parquet")
        file = folder / "rows.parquet"
        # As a snapshot lies there: what is validated is never the source itself.
        sink(pl.scan_parquet(folder / "generated.parquet"), file, statistics=True).collect(engine="streaming")
        numbers = [field.name for field in contract.fields if field.dtype == "number"]
        in_memory = pl.read_parquet(file, columns=numbers)

        def copy() -> None:
            sink(pl.scan_parquet(file), folder / "copy.parquet", statistics=True).collect(engine="streaming")

        def validate() -> None:
            has_nan = in_memory.lazy().select(have_nan(contract)).collect(engine="streaming").row(0)
            without = tuple(name for name, found in zip(numbers, has_nan, strict=True) if not found)
            snapshot = Snapshot(digest="x", path=file, rows=rows, columns={}, source="generated", without_nan=without)
            divide(snapshot, contract, folder / "kept.parquet", folder / "bad.parquet")

        plain, checked = [], []
        for _ in range(ROUNDS):
            plain.append(timed(copy))
            checked.append(timed(validate))
        for index, kind in enumerate(("wall", "processor")):
            copying, checking = (median(run[index] for run in runs) for runs in (plain, checked))
            show(f"{kind}: copy {copying:.2f} s, validate {checking:.2f} s: adds {checking / copying:.0%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
