"""Why an answer is what it is: by how much it changes when one field is set to what is usual (ablation).

The usual row is the median of numbers and moments and the most frequent value of everything else, among the held-out
rows that lie in the build. A row costs as many answers as it has fields, and one more. The contributions of a row need
not add up to anything: fields that work together are each given the whole effect.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.answer_shape import DIGITS
from data_contracts.description.spec import FieldSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.formats.request import Row
from deployments.data_plane.load.computing import check_finite
from deployments.data_plane.model import Model
from deployments.data_plane.refusals import CannotExplain
from deployments.data_plane.telemetry.tracing import Trace

# Rows in one call of the model.
AT_ONCE = 4_096


class Explainer:
    """Explains the answers of one build; the usual row is read from the build when it is first asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._usual: Row | None = None
        self._reading = threading.Lock()

    @property
    def answers_a_row(self) -> int:
        """What explaining one row costs, in rows answered."""
        return len(self._model.contract.inputs) + 1

    def usual_row(self) -> Row:
        """Return the row that fields are set to; CannotExplain if the build has no held-out rows."""
        with self._reading:
            if self._usual is None:
                self._usual = _usual_row(self._model)
        return self._usual

    def explain(self, rows: list[Row], request_id: str, trace: Trace | None = None) -> bytes:
        """Return the body of a reply; call it in a thread, it takes as long as many answers."""
        start = time.perf_counter()
        usual = self.usual_row()
        prepared = time.perf_counter()
        shape, fields = self._model.serving.answer, self._model.contract.inputs
        answers = self._answers(rows, usual)
        check_finite(answers)
        if trace is not None:
            trace.prepared, trace.computed = prepared, time.perf_counter()
            trace.batch_rows = len(rows) * self.answers_a_row
        write = shape.writer()
        rounded = shape.rounded(answers.reshape(-1, *answers.shape[2:]))[:: self.answers_a_row].tolist()
        wide = answers.reshape(*answers.shape[:2], -1).astype(np.float64)
        # [rows, fields, columns]
        moved = np.round(wide[:, :1] - wide[:, 1:], DIGITS).tolist()
        parts = []
        for answer, by_field in zip(rounded, moved, strict=True):
            contributions = {
                field.name: dict(zip(shape.columns, values, strict=True))
                for field, values in zip(fields, by_field, strict=True)
            }
            told = msgspec.json.encode(contributions).decode()
            parts.append(f'{{"prediction":{write([answer])},"contributions":{told}}}')
        head = {
            "build": self._model.build_id,
            "request_id": request_id,
            "method": "ablation",
            "reference": {field.name: value for field, value in zip(fields, usual, strict=True)},
            "answers_computed": len(rows) * self.answers_a_row,
            "seconds": round(time.perf_counter() - start, 6),
        }
        return f'{msgspec.json.encode(head).decode()[:-1]},"explanations":[{",".join(parts)}]}}'.encode()

    def _answers(self, rows: list[Row], usual: Row) -> NDArray[np.float32]:
        """Return answers, [rows, 1 + fields, ...]: to each row itself, then with each field as it usually is."""
        predictor = self._model.predictor
        asked = [one for row in rows for one in _with_usual(row, usual)]
        parts = [predictor.predict(predictor.tensors(asked[at : at + AT_ONCE])) for at in range(0, len(asked), AT_ONCE)]
        answers = np.concatenate(parts)
        return answers.reshape(len(rows), self.answers_a_row, *answers.shape[1:])


def _with_usual(row: Row, usual: Row) -> Iterator[Row]:
    """Yield a row as it is, then with each of its fields as it usually is."""
    yield row
    for place, value in enumerate(usual):
        yield (*row[:place], value, *row[place + 1 :])


def _usual_row(model: Model) -> Row:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not model.build.holds("reference.parquet"):
        raise CannotExplain(f"build {model.build_id} holds no reference.parquet, so it cannot be explained")
    # Not read_table: it imports pandas.
    file = pa.BufferReader(model.build.read("reference.parquet"))
    table = pq.ParquetFile(file).read(columns=[field.name for field in model.contract.inputs])
    return tuple(_usual(table.column(field.name).drop_null(), field) for field in model.contract.inputs)


def _usual(values: Any, field: FieldSpec) -> Any:
    """Return the median (a value that occurs) of what has an order, the most frequent of the rest, None of nothing."""
    import pyarrow.compute as pc

    if not len(values):
        return None
    if value_type(field.dtype).is_ordered:
        ordered = values.take(pc.sort_indices(values))
        return ordered[len(ordered) // 2].as_py()
    # The first by name of those that are as frequent: which one must not depend on the order of rows.
    counts = values.value_counts().to_pylist()
    return min(counts, key=lambda entry: (-entry["counts"], entry["values"]))["values"]
