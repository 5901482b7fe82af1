"""Leaks: planted into copies of the splits, to be caught by the leakage audit before a model can profit from them."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.catalog import find_kind
from components.data.audit.leakage import audit
from components.data.results import Prepared, Split
from components.evaluation.evidence import Evidence
from components.evaluation.hold_out import labels_of, leakage_measure
from components.faults.bench import Bench, Fault, Seen, judged
from data_contracts.description.spec import FieldSpec

ROWS = 4_000
Frames = dict[str, pl.DataFrame]
Spoil = Callable[[Bench, Frames], Frames]


def _audited(spoil: Spoil) -> Callable[[Bench, bool], Seen]:
    """Return a fault that spoils samples of the splits, audits them and judges the findings."""

    def run(bench: Bench, planted: bool) -> Seen:
        frames = {
            name: _sample(pl.read_parquet(split.path, glob=False), bench.workload.seed)
            for name, split in bench.prepared.splits.items()
            if name != "monitor"
        }
        prepared = _written(bench, spoil(bench, frames) if planted else frames)
        kind = find_kind(bench.workload.kind).preparation
        measure = leakage_measure(audit(prepared, bench.contract, bench.workload.audit, kind))
        return judged(bench, Evidence(workload=bench.workload.name, model="", split="test", measures=(measure,)))

    return run


def rows_of_training(bench: Bench, frames: Frames) -> Frames:
    """Put rows of training into the hold-out: a twentieth of it."""
    train, test = frames["train"], frames["test"]
    leaked = pl.concat([test.slice(ROWS // 20), train.head(ROWS // 20)])
    return frames | {"test": leaked}


def answer_in_a_feature(bench: Bench, frames: Frames) -> Frames:
    """Write the answer into a field that is said to be known before it, as a bad join does."""
    field = _plain_numbers(bench)[0]
    return {
        name: frame.with_columns(pl.Series(field.name, _told(frame, bench)).cast(frame.schema[field.name]))
        for name, frame in frames.items()
    }


def _plain_numbers(bench: Bench) -> list[FieldSpec]:
    return [field for field in bench.contract.inputs if field.dtype in ("number", "integer") and not field.roles]


def _told(frame: pl.DataFrame, bench: Bench) -> NDArray[np.float64]:
    """Return the labels as numbers: no is 1, yes 2, classes are counted, whole numbers stay what they are."""
    labels = labels_of(frame, bench.contract).astype(np.float64)
    return np.round(labels) if bench.hold_out.target == "regression" else labels + 1


def sorted_by_answer(bench: Bench, frames: Frames) -> Frames:
    """Sort every split by the label, as a query that unions two classes does."""
    return {name: frame.sort(bench.contract.label.name, maintain_order=True) for name, frame in frames.items()}


def later_rows_in_training(bench: Bench, frames: Frames) -> Frames:
    """Exchange the hold-out and the training rows, so that training knows the future."""
    return frames | {"train": frames["test"], "test": frames["train"]}


def _sample(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return rows by lot in the order they had."""
    chosen = frame.with_row_index("slipway:place").sample(min(ROWS, frame.height), seed=seed)
    return chosen.sort("slipway:place").drop("slipway:place")


def _written(bench: Bench, frames: Frames) -> Prepared:
    moments = [field.name for field in bench.contract.with_role("time")]
    splits = {}
    for name, frame in frames.items():
        path = bench.scratch / f"{name}.parquet"
        frame.write_parquet(path)
        start, end = (str(frame[moments[0]].min()), str(frame[moments[0]].max())) if moments else (None, None)
        splits[name] = Split(name=name, stored=path, rows=frame.height, positives=None, start=start, end=end)
    return bench.prepared.model_copy(update={"splits": splits})


FAULTS = (
    Fault("rows of training in the hold-out", "prepare", "leakage", _audited(rows_of_training)),
    Fault(
        "the answer in a feature",
        "prepare",
        "leakage",
        _audited(answer_in_a_feature),
        lambda b: bool(_plain_numbers(b)),
    ),
    Fault("rows sorted by the answer", "prepare", "leakage", _audited(sorted_by_answer)),
    Fault("training knows the future", "prepare", "leakage", _audited(later_rows_in_training), lambda b: b.in_order),
)
