"""Slipway's own path for flights: validate and prepare a snapshot.

python -m benchmarks.data.slipway_side rows.parquet out/
"""

import json
import sys
from pathlib import Path

import polars as pl

from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot
from components.declaration import read_workload
from components.settings import Home
from data_contracts.flights import Flight


def main(source: Path, folder: Path) -> None:
    """Validate and prepare a file of contract rows."""
    contract = Flight.spec()
    rows = pl.scan_parquet(source).select(pl.len()).collect().item()
    columns = {field.name: field.dtype for field in contract.fields}
    snapshot = Snapshot(digest="benchmark", path=source, rows=rows, columns=dict(columns), source=str(source))
    home = Home(folder / "home")
    validated = validate_snapshot(snapshot, contract, home, where="benchmark")
    prepared = prepare(validated, read_workload("flights"), contract, home)
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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
