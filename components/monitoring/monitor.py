"""Look at what came after the hold-out: has the data drifted, have the scores, is the model still as good?"""

from datetime import date, datetime
from pathlib import Path

import polars as pl
from pydantic import Field

from components.artefacts.answer_shape import AnswerShape, side_by_side
from components.artefacts.build import Build
from components.artefacts.errors import DataError
from components.artefacts.inference import inference_of
from components.artefacts.storage import write_atomically
from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration.split import TimeSplit
from components.declaration.workload import Workload
from components.evaluation.hold_out import decide_unit, labels_of
from components.evaluation.slices import measurable
from components.evaluation.units import units_of
from components.monitoring.drift import DriftReport, compare_windows, nothing_to_compare
from components.result import Result
from components.settings import Home
from components.store.reference import Reference, made_in, settled
from data_contracts.description.spec import ContractSpec

WINDOW = "slipway:window"
FILE = "monitoring.json"


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
    quality: tuple[WindowQuality, ...] = ()
    stored_report: Reference = Field(alias="report")

    @property
    def report(self) -> Path:
        return self.stored_report.local()


def monitor_build(
    workload: Workload, contract: ContractSpec, build: Build, prepared: Prepared, home: Home
) -> Monitored:
    """Compare the monitored period with the build's reference, window by window; without one nothing is found."""
    entry = home.reference("reports", f"{workload.name}/{build.build_id}")

    def make(folder: Path) -> Monitored:
        found = settled(_monitored(workload, contract, build, prepared, folder), folder, entry)
        write_atomically(folder / FILE, found.model_dump_json(indent=2).encode())
        return found

    return made_in(entry, make)


def _monitored(workload: Workload, contract: ContractSpec, build: Build, prepared: Prepared, folder: Path) -> Monitored:
    split = prepared.splits.get("monitor")
    if split is None:
        nothing = nothing_to_compare(_why_nothing(workload), workload.monitoring)
        return Monitored(digest=nothing.digest, build_id=build.build_id, drift=nothing, stored_report=folder / FILE)
    shape = build.serving().answer
    answers = find_kind(workload.kind).predict_file(build.parts(), contract, split.path)
    rows = pl.read_parquet(split.path, glob=False).with_columns(pl.DataFrame(shape.numbers(answers)))
    windows = split_windows(rows, contract, workload.monitoring.window)
    reference = pl.read_parquet(build.read("reference.parquet"), glob=False)
    drift = compare_windows(
        reference,
        windows,
        contract,
        workload.monitoring,
        folder,
        workload.seed,
        shape.columns,
        title=f"{workload.name}, build {build.build_id}",
        inference=inference_of(build.manifest.kind),
    )
    quality = (_quality(name, window, workload, contract, shape) for name, window in windows.items())
    return Monitored(
        digest=drift.digest,
        build_id=build.build_id,
        drift=drift,
        quality=tuple(one for one in quality if one is not None),
        stored_report=folder / FILE,
    )


def _why_nothing(workload: Workload) -> str:
    split = workload.split
    if not isinstance(split, TimeSplit):
        return f"a split by {split.by} has no later rows; only a split by time can have a monitored period"
    if split.monitor is None:
        return "split.monitor declares no period"
    return f"there are no rows yet from {split.monitor.start} to {split.monitor.end}"


def split_windows(rows: pl.DataFrame, contract: ContractSpec, window: str) -> dict[str, pl.DataFrame]:
    """Return the rows by day, week (named by its Monday) or month, in order of time."""
    times = contract.with_role("time")
    if not times:
        raise DataError(f"contract {contract.name} has no field with role 'time': there are no windows to compare")
    return windows_by(rows, times[0].name, window)


def windows_by(rows: pl.DataFrame, column: str, window: str) -> dict[str, pl.DataFrame]:
    """Return the rows by day, week (named by its Monday) or month of a column of moments, in order of time."""
    step = {"day": "1d", "week": "1w", "month": "1mo"}[window]
    moment = pl.col(column).dt.truncate(step).alias(WINDOW)
    parts = rows.with_columns(moment).sort(WINDOW, maintain_order=True).partition_by(WINDOW, as_dict=True)
    return {_name(key[0], window): part.drop(WINDOW) for key, part in parts.items()}


def _name(start: object, window: str) -> str:
    assert isinstance(start, (date, datetime))
    return f"{start:%Y-%m}" if window == "month" else f"{start:%Y-%m-%d}"


def _quality(
    name: str, window: pl.DataFrame, workload: Workload, contract: ContractSpec, shape: AnswerShape
) -> WindowQuality | None:
    """Return the metric with its interval, drawn by days or groups where rows are alike; None where none can tell."""
    known = window.filter(pl.col(contract.label.name).is_not_null())
    if known[contract.label.name].n_unique() < 2:
        return None
    goal, labels = workload.goal, labels_of(known, contract)
    if not measurable(labels):
        return None
    metric, answers = goal.metric, side_by_side([known[column].to_numpy() for column in shape.judged])
    unit, spread = decide_unit(metric, labels, answers, units_of(known, contract), goal.unit, workload.seed)
    found = next(one for one in spread if one.by == unit.name)
    return WindowQuality(window=name, rows=len(known), metric=metric, value=found.value, low=found.low, high=found.high)
