"""Answer with a tabular build: contract rows or columns in, numbers out. Imports ONNX Runtime and NumPy alone."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data_contracts.description.spec import ContractSpec, FieldSpec

EPOCHS: dict[str, Any] = {"datetime": datetime(1970, 1, 1), "date": date(1970, 1, 1)}
SECOND = timedelta(seconds=1)


class Predictor:
    """A loaded model graph; ``predict`` is safe to call from several threads."""

    def __init__(self, model: Path | bytes, contract: ContractSpec, threads: int = 1, *, optimise: bool = True) -> None:
        self._session = open_session(model, threads, optimise=optimise)
        wanted = [tensor.name for tensor in self._session.get_inputs()]
        self.fields: tuple[FieldSpec, ...] = tuple(contract.field(name) for name in wanted)
        self._outputs = [self._session.get_outputs()[0].name]
        self._tensors = Tensors(contract.inputs)

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the graph's answers for tensors as ``tensors_of_rows`` makes them.

        The shape is [rows] where a row has one number, else [rows, columns].
        """
        feeds = {field.name: columns[field.name] for field in self.fields}
        answers: NDArray[np.float32] = self._session.run(self._outputs, feeds)[0]
        return answers[:, 0] if answers.shape[1] == 1 else answers

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """Return the graph's answers for decoded contract rows."""
        return self.predict(tensors_of_rows(rows, self.fields))

    def tensors(self, rows: Sequence[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
        """Return the tensors of rows given as tuples in the order of the contract's inputs."""
        return self._tensors.of_columns(list(zip(*rows, strict=True)))


def open_session(model: Path | bytes, threads: int = 1, *, optimise: bool = True) -> onnxruntime.InferenceSession:
    """Open a graph as every part of Slipway runs it: on the processor, with threads that sleep while they wait."""
    options = onnxruntime.SessionOptions()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread burns the core that the HTTP layer needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def read_rows(rows: Sequence[Mapping[str, Any]], contract: ContractSpec) -> list[tuple[Any, ...]]:
    """Return rows as a client would send them (moments as text) as tuples in the order of the contract's inputs."""
    readers = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}
    return [
        tuple(
            readers[field.dtype](row[field.name]) if field.dtype in readers and row[field.name] else row[field.name]
            for field in contract.inputs
        )
        for row in rows
    ]


def tensors_of_rows(rows: Sequence[Mapping[str, Any]], fields: Sequence[FieldSpec]) -> dict[str, NDArray[Any]]:
    """Turn rows into the graph's input tensors: "" and NaN for missing, seconds for moments."""
    return Tensors(fields).of_columns([[row[field.name] for row in rows] for field in fields])


class Tensors:
    """Makes the input tensors of some fields, each of shape [rows]: "" and NaN for missing, seconds for moments."""

    def __init__(self, fields: Sequence[FieldSpec]) -> None:
        placed = list(enumerate(fields))
        self._texts = [(place, field.name, field.nullable) for place, field in placed if field.dtype == "string"]
        self._moments = [(place, EPOCHS[field.dtype]) for place, field in placed if field.dtype in EPOCHS]
        self._plain = [place for place, field in placed if field.dtype != "string" and field.dtype not in EPOCHS]
        self._numbers = [fields[place].name for place in (*self._plain, *(place for place, _ in self._moments))]

    def of_columns(self, columns: Sequence[Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """Return the tensors of values given field by field."""
        count = len(columns[0]) if columns else 0
        numbers = [columns[place] for place in self._plain]
        for place, epoch in self._moments:
            # Five times as fast as by way of datetime64, and the same figure: both are whole microseconds over 1e6.
            numbers.append([None if value is None else (value - epoch) / SECOND for value in columns[place]])
        # One array for all: making one a field costs more than what is in them. NumPy reads None as NaN.
        matrix = np.fromiter(chain.from_iterable(numbers), np.float64, count * len(numbers))
        tensors: dict[str, NDArray[Any]] = dict(zip(self._numbers, matrix.reshape(len(numbers), count), strict=True))
        for place, name, nullable in self._texts:
            values = columns[place]
            tensors[name] = np.array([value or "" for value in values] if nullable else values, dtype=object)
        return tensors
