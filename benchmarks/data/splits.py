"""Divide generated flights by every rule: seconds and peak memory, each rule in a process of its own.

python -m benchmarks.data.splits 10000000
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import polars as pl
from pydantic import TypeAdapter

from benchmarks.data.compare_with_pandas import show
from benchmarks.data.flight_rows import write_flights
from components.data.kept_rows import KEPT, KeptRows
from components.data.splits.division import split_rows
from components.declaration.split import SplitRule
from data_contracts.description.spec import ContractSpec
from data_contracts.flights import Flight

RULES: dict[str, dict[str, object]] = {
    "random": {"by": "random"},
    "group": {"by": "group"},
    "stratified": {"by": "stratified", "fields": ["origin", "destination"]},
}


def grouped() -> ContractSpec:
    """Return the contract of flights with the destination as its group."""
    contract = Flight.spec()
    fields = tuple(
        msgspec.structs.replace(field, roles=("group",)) if field.name == "destination" else field
        for field in contract.fields
    )
    return msgspec.structs.replace(contract, fields=fields)


def divide(folder: Path, name: str) -> None:
    """Divide the rows in a folder by one rule and print what it took."""
    kept = KeptRows(folder / "rows.parquet", folder / "mask.parquet", grouped())
    target = folder / name
    target.mkdir()
    wall, cpu = time.perf_counter(), time.process_time()
    splits, _ = split_rows(kept, TypeAdapter(SplitRule).validate_python(RULES[name]), target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
    sizes = ", ".join(f"{split.rows:,}" for split in splits.values())
    show(
        f"{name}: {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} s of processor, peak "
        f"{peak:.2f} GiB; {sizes} rows"
    )


def main(rows: int) -> None:
    """Generate rows and divide them by each rule."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_flights(rows, folder / "rows.parquet")
        labelled = pl.scan_parquet(folder / "rows.parquet").select(pl.col("late").is_not_null().alias(KEPT))
        labelled.sink_parquet(folder / "mask.parquet")
        for name in RULES:
            subprocess.run([sys.executable, "-m", "benchmarks.data.splits", str(folder), name], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        divide(Path(sys.argv[1]), sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
