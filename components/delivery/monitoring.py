"""Look at what came after the hold-out: has the data drifted, have the scores, is the model still as good?"""

from datetime import date, datetime
from pathlib import Path

import polars as pl

from components.answer_shape import AnswerShape, side_by_side
from components.builds.build import Build
from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration import Workload
from components.delivery.drift import DriftReport, compare_windows
from components.errors import DataError
from components.judgement.hold_out import labels_of
from components.judgement.metrics import interval
from components.result import Result
from components.settings import Home
from components.storage import write_atomically
from data_contracts.spec import ContractSpec

WINDOW = "slipway:window"


class WindowQuality(Result):
    """The goal's metric in one window, with its 95 % interval."""

    window: str
    rows: int
    metric: str
    value: float
    low: float
    high: float


class Monitored(Result):
    """What monitoring found."""

    digest: str
    build_id: str
    drift: DriftReport
    quality: tuple[WindowQuality, ...]
    report: Path


def monitor_build(
    workload: Workload, contract: ContractSpec, build: Build, prepared: Prepared, home: Home
) -> Monitored:
    """Compare the monitored period with the build's reference, window by window."""
    split = prepared.splits.get("monitor")
    if split is None:
        raise DataError(f"workload {workload.name} declares no 'monitor' period in its split: nothing to look at")
    shape = build.serving().answer
    answers = find_kind(workload.kind).predict_file(build.model, contract, split.path)
    rows = pl.read_parquet(split.path, glob=False).with_columns(pl.DataFrame(shape.numbers(answers)))
    windows = split_windows(rows, contract, workload.monitoring.window)
    folder = home.room("reports", workload.name, build.build_id)
    reference = pl.read_parquet(build.path / "reference.parquet", glob=False)
    drift = compare_windows(reference, windows, contract, workload.monitoring, folder, workload.seed, shape.columns)
    monitored = Monitored(
        digest=drift.digest,
        build_id=build.build_id,
        drift=drift,
        quality=tuple(_quality(name, window, workload, contract, shape) for name, window in windows.items()),
        report=folder / "monitoring.json",
    )
    write_atomically(monitored.report, monitored.model_dump_json(indent=2).encode())
    return monitored


def split_windows(rows: pl.DataFrame, contract: ContractSpec, window: str) -> dict[str, pl.DataFrame]:
    """Return the rows by day, week (named by its Monday) or month, in order of time."""
    times = contract.with_role("time")
    if not times:
        raise DataError(f"contract {contract.name} has no field with role 'time': there are no windows to compare")
    step = {"day": "1d", "week": "1w", "month": "1mo"}[window]
    moment = pl.col(times[0].name).dt.truncate(step).alias(WINDOW)
    parts = rows.with_columns(moment).sort(WINDOW, maintain_order=True).partition_by(WINDOW, as_dict=True)
    return {_name(key[0], window): part.drop(WINDOW) for key, part in parts.items()}


def _name(start: object, window: str) -> str:
    assert isinstance(start, (date, datetime))
    return f"{start:%Y-%m}" if window == "month" else f"{start:%Y-%m-%d}"


def _quality(
    name: str, window: pl.DataFrame, workload: Workload, contract: ContractSpec, shape: AnswerShape
) -> WindowQuality:
    metric, answers = workload.goal.metric, side_by_side([window[column].to_numpy() for column in shape.judged])
    found = interval(metric, labels_of(window, contract), answers, seed=workload.seed)
    return WindowQuality(
        window=name, rows=len(window), metric=metric, value=found.value, low=found.low, high=found.high
    )
