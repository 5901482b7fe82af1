"""The packaged flights model beside gradient boosting with default settings, on the same split and features.

    pip install -c constraints.txt lightgbm
    python -m benchmarks.training.flights --workload flights --threads 2

Uses (and fills) the home of the installation, so that data which was prepared before is not prepared again.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.training.prepared import prepared_data
from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.evaluation.metrics import interval, paired_difference, score
from components.kinds.tabular.data import read_table
from components.settings import Settings

RESAMPLES = 1000
Answers = NDArray[np.float32]


def peers(seed: int, threads: int) -> dict[str, Any]:
    """Return the classifiers with the settings they come with."""
    return {
        "XGBoost, defaults": xgboost.XGBClassifier(random_state=seed, n_jobs=threads),
        "LightGBM, defaults": lightgbm.LGBMClassifier(random_state=seed, n_jobs=threads, verbose=-1),
        "scikit-learn HGB, defaults": HistGradientBoostingClassifier(random_state=seed),
    }


def packaged(prepared: Prepared, workload: Workload, settings: Settings) -> dict[str, tuple[Answers, float]]:
    """Train as the pipeline does; return each candidate's answers on the hold-out and its seconds, the chosen first."""
    with tempfile.TemporaryDirectory() as folder:
        trained = find_kind(workload.kind).train(
            prepared, workload, contract_of(workload), Path(folder), settings, lambda *_: None
        )
        found = {}
        for candidate in sorted(trained.candidates, key=lambda one: one.name != trained.chosen):
            frame = pl.read_parquet(candidate.predictions).filter(pl.col("split") == "test")
            mark = "Slipway, packaged" if candidate.name == trained.chosen else "Slipway, not chosen"
            found[f"{mark}: {candidate.name}"] = (frame["answer"].to_numpy(), candidate.seconds)
    return found


def main() -> None:
    """Print a Markdown table and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="flights")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    workload = read_workload(given.workload)
    settings = Settings(threads=given.threads)
    prepared = prepared_data(workload, settings)
    answers = packaged(prepared, workload, settings)
    train, test = read_table(prepared, "train"), read_table(prepared, "test")
    for name, model in peers(workload.seed, given.threads).items():
        started = time.perf_counter()
        model.fit(train.matrix(), train.labels.numpy())
        seconds = time.perf_counter() - started
        answers[name] = (model.predict_proba(test.matrix())[:, 1].astype(np.float32), seconds)
    report(answers, test.labels.numpy(), workload.seed)


def report(answers: dict[str, tuple[Answers, float]], labels: NDArray[Any], seed: int) -> None:
    """Print each model's AUC and log-loss, and how far the first is ahead of it, paired on the same rows."""
    first = next(iter(answers.values()))[0]
    rows = []
    print("| model | AUC | 95 % interval | packaged minus this | log-loss | seconds |\n|---|---|---|---|---|---|")
    for name, (given, seconds) in answers.items():
        area = interval("auc", labels, given, resamples=RESAMPLES, seed=seed)
        ahead = paired_difference("auc", labels, first, given, resamples=RESAMPLES, seed=seed)
        loss = score("log_loss", labels, given)
        gap = "" if given is first else f"{ahead.value:+.4f} ({ahead.low:+.4f} to {ahead.high:+.4f})"
        print(f"| {name} | {area.value:.4f} | {area.low:.4f} to {area.high:.4f} | {gap} | {loss:.4f} | {seconds:.1f} |")
        rows.append({"model": name, "auc": area.value, "ahead": [ahead.value, ahead.low, ahead.high], "log_loss": loss})
    print(json.dumps({"rows": len(labels), "resamples": RESAMPLES, "models": rows}))


if __name__ == "__main__":
    main()
