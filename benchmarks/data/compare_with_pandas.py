"""Validate and prepare the same generated flights with Slipway and with pandas: seconds, peak memory, ratios.

python -m benchmarks.data.compare_with_pandas 10000000 2

Each side runs in a process of its own, in turns, and both read the file of the same snapshot; the results must be equal
before a ratio is printed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.data.flight_rows import write_flights
from benchmarks.data.slipway_side import RECORD

# Seconds between two runs: a virtual machine goes on giving freed memory back to its host for some.
SETTLE = 10


class Cost(NamedTuple):
    """What a run took: wall and processor seconds, peak resident memory in bytes."""

    wall: float
    cpu: float
    peak: int


def show(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(module: str, *arguments: str | Path) -> Cost:
    """Run a module of this folder in a process of its own and measure it."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", f"benchmarks.data.{module}", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{module} ended with status {status}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def assert_equal(slipway: Path, pandas: Path) -> None:
    """Assert that both sides refused and kept the same rows, made the same of them and reported the same shifts."""
    ours, theirs = (json.loads((folder / "result.json").read_text()) for folder in (slipway, pandas))
    shifts, others = ours.pop("shifts"), theirs.pop("shifts")
    assert ours == theirs, (ours, theirs)
    assert shifts.keys() == others.keys()
    # The samples are the same; of an edge between two values either may be taken.
    assert max(abs(shifts[name] - others[name]) for name in shifts) < 2e-3
    for name in ours["splits"]:
        for kind in ("", ".features"):
            mine = pl.read_parquet(slipway / "prepared" / f"{name}{kind}.parquet")
            other = pl.read_parquet(pandas / f"{name}{kind}.parquet", columns=mine.columns)
            assert_frame_equal(mine, other.cast(dict(mine.schema)), rel_tol=1e-5, abs_tol=1e-5)


def main(rows: int, rounds: int) -> None:
    """Compare both sides and print a line for each run, then the ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "flights.parquet"
        write_flights(rows, source)
        run("slipway_side", "snapshot", source, scratch)
        record = Path(scratch) / RECORD
        told = json.loads(record.read_text())
        best: dict[str, Cost] = {}
        for turn in range(rounds):
            for side, given in (("slipway", ["prepare", record]), ("pandas", [told["path"]])):
                folder = Path(scratch) / f"{side}-{turn}"
                folder.mkdir()
                # What the other side has written or freed is not to be waited for, nor given back, by this one.
                os.sync()
                time.sleep(SETTLE)
                cost = run(f"{side}_side", *given, folder)
                if side == "slipway":
                    # What of validating is done while a snapshot is taken, see there.
                    cost = Cost(cost.wall + told["asked"]["wall"], cost.cpu + told["asked"]["cpu"], cost.peak)
                show(f"{side}: {cost.wall:.1f} s, {cost.cpu:.1f} s of processor, peak {cost.peak / 2**30:.2f} GiB")
                best[side] = min(best.get(side, cost), cost)
                if turn:
                    shutil.rmtree(folder)
        # Not before: a process inherits the peak memory of the one that starts it.
        assert_equal(Path(scratch) / "slipway-0", Path(scratch) / "pandas-0")
        ours, theirs = best["slipway"], best["pandas"]
        show(
            f"{rows:,} rows, best of {rounds}, equal results, {os.cpu_count()} cores: {theirs.wall / ours.wall:.1f}x "
            f"faster ({theirs.cpu / ours.cpu:.1f}x less processor time), {ours.peak / theirs.peak:.2f} of the memory"
        )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [10_000_000, 2][len(given) :]))
