"""What a wide table costs, stage by stage: the same numbers, more columns.

    python -m benchmarks.data.width --columns 10 100 1000 5000

The rows are 1,000. A stage whose seconds grow faster than its columns is at fault.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np
import polars as pl

from benchmarks.tables.data import Table
from benchmarks.tables.ours import contract_of, prepared_table
from components.artefacts.onnx_session import open_session
from components.catalog import find_kind
from components.data.audit.leakage import audit_prepared
from components.declaration.audit import AuditLimits
from components.features.recipe import read_recipe, recipe_graph
from components.kinds.tabular.preparation import RECIPE
from components.settings import Settings

R = TypeVar("R")
ROWS = 1_000


def wide_table(columns: int, rows: int = ROWS) -> Table:
    """Return numbers of which the first few tell a yes or no."""
    random = np.random.default_rng(0)
    values = random.normal(size=(rows, columns))
    frame = pl.DataFrame(values, schema=[f"x{place}" for place in range(columns)])
    yes = values[:, :5].sum(axis=1) + random.normal(size=rows) > 0
    return Table(f"wide_{columns}", frame.with_columns(yes=pl.Series(yes)), "yes")


def stages(columns: int) -> dict[str, float]:
    """Return the seconds of each stage."""
    table, seconds = wide_table(columns), {}

    def timed(name: str, run: Callable[[], R]) -> R:
        started = perf_counter()
        made = run()
        seconds[name] = perf_counter() - started
        return made

    with tempfile.TemporaryDirectory() as place:
        settings = Settings(threads=1).model_copy(update={"home": Path(place) / "home"})
        contract = contract_of(table)
        prepared = timed("prepare", lambda: prepared_table(table, Path(place), settings))
        preparation = find_kind("tabular").preparation
        timed("audit", lambda: audit_prepared(prepared, contract, AuditLimits(), preparation))
        recipe = read_recipe(prepared.assets[RECIPE].read_bytes())
        graph = timed("graph", lambda: recipe_graph(recipe, contract))
        timed("session", lambda: open_session(graph.SerializeToString()))
    return seconds


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, nargs="+", default=[10, 100, 1_000, 5_000])
    given = parser.parse_args()
    stages(10)  # loads what is loaded once
    rows = {columns: stages(columns) for columns in given.columns}
    names = list(next(iter(rows.values())))
    print(f"| columns | {' | '.join(f'{name} s' for name in names)} |\n|{'---|' * (len(names) + 1)}")
    for columns, seconds in rows.items():
        print(f"| {columns:,} | {' | '.join(f'{seconds[name]:.2f}' for name in names)} |", flush=True)


if __name__ == "__main__":
    main()
