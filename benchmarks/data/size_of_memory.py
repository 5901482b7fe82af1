"""From a file of any number of generated flights to prepared features, every stage, and the peak memory it took.

python -m benchmarks.data.size_of_memory 50000000
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.data.compare_with_pandas import show
from benchmarks.data.flight_rows import write_flights
from components.catalog import find_kind
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.declaration.loading import read_workload
from components.declaration.source import Source
from components.settings import Home
from data_contracts.flights import Flight


def main(rows: int) -> None:
    """Run every stage on generated rows and print its time and the peak memory so far."""
    contract = Flight.spec()
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        source = Path(scratch) / "flights.parquet"
        write_flights(rows, source)
        home = Home(Path(scratch) / "home")
        started = report("generated", started)
        snapshot = take_snapshot(Source(path=str(source)), contract, home)
        started = report("snapshot", started)
        validated = validate_snapshot(snapshot, contract, home, where="benchmark")
        started = report("validate", started)
        flights = read_workload("flights")
        prepared = prepare(validated, flights.split, flights.features, contract, home, find_kind("tabular").preparation)
        report("prepare", started)
        ready = sum(split.rows for split in prepared.splits.values())
        written = sum(
            pl.scan_parquet(split.features).select(pl.len()).collect().item()
            for split in prepared.splits.values()
            if split.features
        )
        assert snapshot.rows == rows == validated.rows + validated.quarantined
        assert ready == written == validated.rows
        show(f"{rows:,} rows read, {validated.quarantined:,} quarantined, {written:,} prepared")


def report(stage: str, started: float) -> float:
    """Print what a stage took and the peak so far; return the time."""
    now = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
    show(f"{stage}: {now - started:.0f} s, peak so far {peak:.2f} GiB")
    return now


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000_000)
