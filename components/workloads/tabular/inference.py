"""Answer with a tabular build: contract rows or columns in, probabilities out. Imports ONNX Runtime and NumPy alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data_contracts.spec import ContractSpec, FieldSpec

EPOCH = np.datetime64("1970-01-01T00:00:00", "us")


class Predictor:
    """A loaded model graph; ``predict`` is safe to call from several threads."""

    def __init__(self, model: Path | bytes, contract: ContractSpec, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning thread burns the core that the HTTP layer needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else str(model)
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        wanted = [tensor.name for tensor in self._session.get_inputs()]
        self.fields: tuple[FieldSpec, ...] = tuple(contract.field(name) for name in wanted)

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the probability of yes, shape [rows], for tensors as ``tensors_of_rows`` makes them."""
        feeds = {field.name: columns[field.name] for field in self.fields}
        (probability,) = self._session.run(["probability"], feeds)
        answers: NDArray[np.float32] = probability[:, 0]
        return answers

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """Return the probability of yes for decoded contract rows."""
        return self.predict(tensors_of_rows(rows, self.fields))


def tensors_of_rows(rows: Sequence[Mapping[str, Any]], fields: Sequence[FieldSpec]) -> dict[str, NDArray[Any]]:
    """Turn rows into the graph's input tensors: "" and NaN for missing, seconds for moments."""
    tensors: dict[str, NDArray[Any]] = {}
    for field in fields:
        values = [row[field.name] for row in rows]
        if field.dtype == "string":
            tensors[field.name] = np.array([value or "" for value in values], dtype=object)
        elif field.dtype in ("datetime", "date"):
            moments = np.array([np.datetime64("NaT") if value is None else value for value in values], "datetime64[us]")
            tensors[field.name] = seconds_of_moments(moments)
        else:
            tensors[field.name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return tensors


def seconds_of_moments(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return seconds since 1970-01-01 as float64, NaN for NaT."""
    seconds = (moments - EPOCH).astype(np.int64) / 1_000_000
    return np.where(np.isnat(moments), np.nan, seconds)
