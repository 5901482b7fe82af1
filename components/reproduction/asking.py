"""Ask the graphs of two builds the same hold-out rows: what a build says of its model need not be true."""

import polars as pl

from components.artefacts.build import Build
from components.catalog import find_kind
from components.declaration.metrics import metrics_for
from components.declaration.targets import target_of
from components.evaluation.hold_out import labels_of
from components.evaluation.metrics import score


def asked_metrics(build: Build, rows_of: Build) -> dict[str, float]:
    """Return the metrics of a build's graph on the hold-out rows that travel in ``rows_of`` (a sample if many)."""
    contract, rows = rows_of.contract(), rows_of.read("reference.parquet")
    answers = find_kind(build.manifest.kind).predict_file(build.parts(), contract, rows)
    answers = build.serving().answer.point(answers)
    labels = labels_of(pl.read_parquet(rows, glob=False), contract)
    names = metrics_for(target_of(contract), build.manifest.kind)
    return {f"{name}, asked again": score(name, labels, answers) for name in names}
