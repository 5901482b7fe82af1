"""Slipway's own path for flights: take a snapshot, then validate and prepare it.

python -m benchmarks.data.slipway_side snapshot rows.parquet out/
python -m benchmarks.data.slipway_side prepare out/snapshot.json out/
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

from components.catalog import find_kind
from components.data.expectations import judge_expectations
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot
from components.data.sources.snapshots import have_nan, take_snapshot
from components.declaration.loading import read_workload
from components.declaration.source import Source
from components.settings import Home
from data_contracts.flights import Flight

RECORD = "snapshot.json"


def snapshot(source: Path, folder: Path) -> None:
    """Take a snapshot and write down its record, and what it took to find which columns have a NaN.

    That is asked while a snapshot is taken, since the values are in memory then, but it is a part of validating.
    """
    contract = Flight.spec()
    taken = take_snapshot(Source(path=str(source)), contract, Home(folder / "home"))
    numbers = [field.name for field in contract.fields if field.dtype == "number"]
    in_memory = pl.read_parquet(taken.path, columns=numbers).lazy()
    wall, cpu = time.perf_counter(), time.process_time()
    in_memory.select(have_nan(contract)).collect(engine="streaming")
    asked = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    told = {"snapshot": taken.model_dump(mode="json"), "path": str(taken.path), "asked": asked}
    (folder / RECORD).write_text(json.dumps(told))


def validate_and_prepare(record: Path, folder: Path) -> None:
    """Validate and prepare a snapshot, as the stages of a build do."""
    contract, home = Flight.spec(), Home(folder / "home")
    told = json.loads(record.read_text())
    # It lies in the home of who took it.
    taken = Snapshot.model_validate(told["snapshot"] | {"stored": Path(told["path"])})
    validated = validate_snapshot(taken, contract, home, where="benchmark")
    flights = read_workload("flights")
    prepared = prepare(validated, flights.split, flights.features, contract, home, find_kind("tabular").preparation)
    judge_expectations(validated, contract, home, where="benchmark")
    result = {
        "kept": validated.rows,
        "refused": validated.quarantined,
        "reasons": validated.reasons,
        "splits": {name: split.rows for name, split in prepared.splits.items()},
        "shifts": {f"{shift.split}.{shift.field}": shift.distance for shift in prepared.shifts},
    }
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "prepared").symlink_to(prepared.path)


if __name__ == "__main__":
    {"snapshot": snapshot, "prepare": validate_and_prepare}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
