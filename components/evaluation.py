"""Evaluate the packaged graph on the hold-out: the answers that users would get, not those the trainer remembers.

evaluated = evaluate(trained, prepared, workload, contract, predict_file, folder)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.declaration import Workload
from components.errors import SplitError
from components.evidence import Evaluated, Evidence, Measure, write_evidence
from components.metrics import (
    HIGHER_IS_BETTER,
    Interval,
    calibration_bins,
    expected_calibration_error,
    replicates,
    score,
    statistic,
    summarise,
)
from components.storage import digest_file
from data_contracts.spec import ContractSpec

RESAMPLES = 1000
SOURCE = "evaluation"
PredictFile = Callable[[Path, ContractSpec, Path], NDArray[np.float32]]


class Candidate(Protocol):
    """What evaluation needs of a trained candidate."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def model(self) -> Path: ...
    @property
    def predictions(self) -> Path: ...
    @property
    def score(self) -> float: ...


class Trained(Protocol):
    """What evaluation needs of a training."""

    @property
    def digest(self) -> str: ...
    @property
    def candidates(self) -> tuple[Any, ...]: ...
    @property
    def chosen(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def cost_usd(self) -> float: ...


class Split(Protocol):
    """What evaluation needs of a split."""

    @property
    def path(self) -> Path: ...
    @property
    def rows(self) -> int: ...


class Prepared(Protocol):
    """What evaluation needs of the prepared data."""

    @property
    def splits(self) -> Any: ...


@dataclass(frozen=True)
class HoldOut:
    """Labels of the hold-out and the answers of every model on it, row by row."""

    labels: NDArray[np.bool_]
    graph: NDArray[np.float32]
    trainer: NDArray[np.float32]
    baseline: NDArray[np.float32]
    other: NDArray[np.float32] | None
    base_rate: float
    slices: pl.DataFrame


def evaluate(
    trained: Trained,
    prepared: Prepared,
    workload: Workload,
    contract: ContractSpec,
    predict_file: PredictFile,
    folder: Path,
) -> Evaluated:
    """Evaluate the chosen candidate on the test split; write evidence.json and predictions.parquet into ``folder``."""
    began = time.monotonic()
    hold_out = read_hold_out(trained, prepared, contract, predict_file)
    evidence = evaluate_candidate(hold_out, workload, model=trained.chosen).with_measures(
        Measure(name="training_usd", value=trained.cost_usd, source="training", unit="USD"),
        Measure(name="training_seconds", value=trained.seconds, source="training", unit="s"),
    )
    folder.mkdir(parents=True, exist_ok=True)
    answers = pl.DataFrame(
        {
            "row": np.arange(len(hold_out.labels), dtype=np.int64),
            "label": hold_out.labels,
            "probability": hold_out.graph,
            "baseline": hold_out.baseline,
        }
    )
    predictions = folder / "predictions.parquet"
    answers.write_parquet(predictions)
    path = write_evidence(folder / "evidence.json", evidence)
    reached = evidence.find(workload.goal.metric)
    assert reached is not None  # it was measured a few lines above
    return Evaluated(
        digest=digest_file(path),
        evidence=path,
        predictions=predictions,
        seconds=time.monotonic() - began,
        metric=workload.goal.metric,
        value=reached.value,
        low=reached.bound("below", 0.975),
        high=reached.bound("above", 0.975),
    )


def read_hold_out(
    trained: Trained, prepared: Prepared, contract: ContractSpec, predict_file: PredictFile, split: str = "test"
) -> HoldOut:
    """Return labels and answers of a split; SplitError if it cannot judge anything."""
    rows = prepared.splits[split].path
    slices = [field.name for field in contract.with_role("slice")]
    frame = pl.read_parquet(rows, columns=[contract.label.name, *slices])
    labels = frame[contract.label.name].cast(pl.Boolean).to_numpy()
    if labels.all() or not labels.any():
        raise SplitError(
            f"every one of the {len(labels):,} rows of the {split} split has {contract.label.name} = {labels[:1]}: "
            "it cannot tell a good model from a bad one; choose a split with both classes"
        )
    train = pl.scan_parquet(prepared.splits["train"].path)
    base_rate = train.select(pl.col(contract.label.name).cast(pl.Float64).mean()).collect().item()
    named = {candidate.name: candidate for candidate in trained.candidates}
    chosen = named[trained.chosen]
    baseline = next((candidate for candidate in trained.candidates if candidate.family == "baseline"), chosen)
    others = [candidate for candidate in trained.candidates if candidate.name != chosen.name]
    answers = {name: predict_file(candidate.model, contract, rows) for name, candidate in named.items()}
    return HoldOut(
        labels=labels,
        graph=answers[chosen.name],
        trainer=trainer_answers(chosen, split, len(labels)),
        baseline=answers[baseline.name],
        other=answers[others[0].name] if others else None,
        base_rate=float(base_rate),
        slices=frame.select(slices),
    )


def trainer_answers(candidate: Candidate, split: str, rows: int) -> NDArray[np.float32]:
    """Return what the trainer itself answered on a split, in the order of its rows."""
    kept = pl.scan_parquet(candidate.predictions).filter(pl.col("split") == split).sort("row").collect()
    if kept.height != rows:
        raise SplitError(
            f"{candidate.predictions} holds {kept.height:,} answers for the {split} split of {rows:,} rows: train again"
        )
    answers: NDArray[np.float32] = kept["probability"].to_numpy().astype(np.float32)
    return answers


def evaluate_candidate(hold_out: HoldOut, workload: Workload, *, model: str, resamples: int = RESAMPLES) -> Evidence:
    """Measure a candidate on its hold-out: metrics, gains over others, calibration, parity, slices."""
    measures = [
        *_metrics(hold_out, workload, resamples),
        *_gains(hold_out, workload, resamples),
        _calibration(hold_out),
        _parity(hold_out),
        *_slices(hold_out, workload, resamples),
    ]
    tables = {"calibration": calibration_bins(hold_out.labels, hold_out.graph)}
    return Evidence(workload=workload.name, model=model, split="test", measures=tuple(measures), tables=tables)


def measure(name: str, interval: Interval, *, slice: str | None = None, unit: str = "", detail: str = "") -> Measure:
    """Return a measured interval as evidence."""
    return Measure(
        name=name,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        level=interval.level,
        n=interval.n,
        slice=slice,
        source=SOURCE,
        unit=unit,
        detail=detail,
    )


def _metrics(hold_out: HoldOut, workload: Workload, resamples: int) -> list[Measure]:
    made = []
    for prefix, answers in (("", hold_out.graph), ("baseline_", hold_out.baseline)):
        statistics = [statistic(metric, hold_out.labels, answers) for metric in HIGHER_IS_BETTER]
        drawn = replicates(statistics, len(hold_out.labels), resamples, workload.seed)
        for place, metric in enumerate(HIGHER_IS_BETTER):
            value = score(metric, hold_out.labels, answers)
            made.append(measure(prefix + metric, summarise(value, drawn[place], len(hold_out.labels), 0.95)))
    return made


def gain(
    metric: str, labels: NDArray[Any], first: NDArray[Any], second: NDArray[Any], *, seed: int, resamples: int
) -> Interval:
    """Return how much better ``first`` is than ``second``: positive is better, whatever the metric's direction."""
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    both = [statistic(metric, labels, first), statistic(metric, labels, second)]
    drawn = replicates(both, len(labels), resamples, seed)
    value = sign * (score(metric, labels, first) - score(metric, labels, second))
    return summarise(value, sign * (drawn[0] - drawn[1]), len(labels), 0.95)


def _gains(hold_out: HoldOut, workload: Workload, resamples: int) -> list[Measure]:
    constant = np.full(len(hold_out.labels), hold_out.base_rate, dtype=np.float32)
    rivals = {
        "gain_over_base_rate": (constant, f"always answering {hold_out.base_rate:.3f}, the rate in training"),
        "gain_over_baseline": (hold_out.baseline, ""),
    }
    if hold_out.other is not None:
        rivals["gain_over_other"] = (hold_out.other, "")
    metric = workload.goal.metric
    return [
        measure(
            name,
            gain(metric, hold_out.labels, hold_out.graph, rival, seed=workload.seed, resamples=resamples),
            unit=metric,
            detail=detail,
        )
        for name, (rival, detail) in rivals.items()
    ]


def _calibration(hold_out: HoldOut) -> Measure:
    value = expected_calibration_error(hold_out.labels, hold_out.graph)
    return Measure(name="calibration_error", value=value, n=len(hold_out.labels), source=SOURCE)


def _parity(hold_out: HoldOut) -> Measure:
    difference = np.abs(hold_out.graph.astype(np.float64) - hold_out.trainer.astype(np.float64))
    return Measure(name="parity", value=float(difference.max()), n=len(hold_out.labels), source=SOURCE)


def _slices(hold_out: HoldOut, workload: Workload, resamples: int) -> list[Measure]:
    metric, made = workload.goal.metric, []
    for field in hold_out.slices.columns:
        values = hold_out.slices[field]
        for value in values.unique().drop_nulls().sort():
            rows = (values == value).fill_null(False).to_numpy()
            labels, answers = hold_out.labels[rows], hold_out.graph[rows]
            if labels.all() or not labels.any():
                continue
            drawn = replicates([statistic(metric, labels, answers)], len(labels), resamples, workload.seed)
            found = summarise(score(metric, labels, answers), drawn[0], len(labels), 0.95)
            made.append(measure(metric, found, slice=f"{field}={value}"))
    return made
