"""Answers to whole files of contract rows: by a kind's own way for many rows, or row by row as its service answers."""

import io
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from components.artefacts.inference import Answers, Parts, Predictor
from components.artefacts.parts_of_rows import in_parts
from components.data.parquet import rows_at_once
from components.data.record_batches import record_batch
from data_contracts.description.spec import ContractSpec

# Bounds the memory of a prediction; the answers do not depend on it.
ROWS_AT_ONCE = 65_536
# Rows in one call of a predictor. Fixed: with another number in a call, an answer may differ in its last bit.
SLICE = 4_096


class BatchPredictor(Protocol):
    """Opened parts of a build that answer batches of contract rows, from several threads at once."""

    def predict(self, rows: pa.RecordBatch) -> Answers:
        """Return the numbers of each row of a batch as ``record_batch`` makes it: [rows] or [rows, columns]."""


class OpenBatches(Protocol):
    """Makes parts of a build ready to answer many rows, on this many threads."""

    def __call__(self, parts: Parts, contract: ContractSpec, threads: int = 1) -> BatchPredictor: ...


class PredictFile(Protocol):
    """Answers a Parquet file of raw contract rows (a path, or its bytes) with parts of a build, as serving would."""

    def __call__(self, parts: Parts, contract: ContractSpec, rows: Path | bytes, threads: int = 1) -> Answers: ...


class RowByRow:
    """A batch predictor made of any kind's predictor."""

    def __init__(self, predictor: Predictor, contract: ContractSpec) -> None:
        self._predictor = predictor
        self._names = [field.name for field in contract.inputs]

    def predict(self, rows: pa.RecordBatch) -> Answers:
        columns = [rows.column(name).to_pylist() for name in self._names]
        tuples = list(zip(*columns, strict=True))
        # Without rows one call is made as well: it knows how many columns an answer has.
        parts = in_parts(lambda start, end: self._predictor.tensors(tuples[start:end]), len(tuples), SLICE)
        return np.concatenate([self._predictor.predict(part) for part in parts])


def predict_file(predictor: BatchPredictor, contract: ContractSpec, rows: Path | bytes) -> Answers:
    """Return the numbers for every row of a Parquet file of raw contract rows, [rows] or [rows, columns]."""
    frame = pl.scan_parquet(io.BytesIO(rows) if isinstance(rows, bytes) else rows, glob=False).select(
        [field.name for field in contract.inputs]
    )
    parts = frame.collect_batches(chunk_size=min(ROWS_AT_ONCE, rows_at_once(contract)), maintain_order=True)
    answers = [predictor.predict(record_batch(part)) for part in parts]
    return np.concatenate(answers) if answers else np.zeros(0, np.float32)
