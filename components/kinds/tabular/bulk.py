"""Answer very many rows: each different string is looked up once, the rest of the graph runs in slices on all cores.

Measured for 18 fields, four of them strings, and a small network, in seconds of processor time a million rows: 0.62
with the whole graph on arrays that were ready, 0.40 without the strings; making the arrays took 0.3 and takes 0.05.
Slices of 2,048 to 4,096 rows stay in the processor's cache; 32,768 cost a third more.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
from numpy.typing import NDArray

from components.artefacts.inference import Parts
from components.artefacts.onnx_session import open_session
from components.kinds.tabular.raw import number_column, text_column
from components.kinds.tabular.text_lookup import divide_graph
from data_contracts.description.spec import ContractSpec

# Fixed: with another number of rows in a call, an answer may differ in its last bit.
SLICE = 4_096


class BulkPredictor:
    """A model graph for batches of contract rows; safe to call from several threads.

    ``threads`` are those of one call; the answers do not depend on their number.
    """

    def __init__(self, parts: Parts, contract: ContractSpec, threads: int = 1) -> None:
        model = parts.model
        divided = divide_graph(onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load(model))
        self._lookups = [
            (lookup.field, lookup.tensors, open_session(lookup.model.SerializeToString())) for lookup in divided.lookups
        ]
        self._rest = open_session(divided.rest.SerializeToString())
        self._fields = [
            contract.field(tensor.name)
            for tensor in self._rest.get_inputs()
            if tensor.name not in {name for lookup in divided.lookups for name in lookup.tensors}
        ]
        self._threads = threads

    def predict(self, rows: pa.RecordBatch) -> NDArray[np.float32]:
        """Return the graph's answers for rows as ``record_batch`` makes them.

        The shape is [rows] where a row has one number, else [rows, columns].
        """
        columns = self._columns(rows)
        # Without rows one call is made as well: it knows how many columns an answer has.
        starts = range(0, max(1, rows.num_rows), SLICE)
        if self._threads == 1 or len(starts) == 1:
            parts = [_answer(self._rest, columns, start) for start in starts]
        else:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="bulk") as pool:
                parts = list(pool.map(_answer, repeat(self._rest), repeat(columns), starts))
        answers: NDArray[np.float32] = np.concatenate(parts)
        return answers[:, 0] if answers.shape[1] == 1 else answers

    def _columns(self, rows: pa.RecordBatch) -> dict[str, NDArray[Any]]:
        columns: dict[str, NDArray[Any]] = {}
        for field in self._fields:
            if field.dtype == "string":
                texts, indices = text_column(rows.column(field.name))
                columns[field.name] = texts[indices]
            else:
                columns[field.name] = number_column(rows.column(field.name), field)
        for name, tensors, session in self._lookups:
            texts, indices = text_column(rows.column(name))
            for tensor, found in zip(tensors, session.run(list(tensors), {name: texts}), strict=True):
                columns[tensor] = found[indices]
        return columns


def _answer(session: onnxruntime.InferenceSession, columns: dict[str, NDArray[Any]], start: int) -> NDArray[np.float32]:
    """Answer one slice; the session releases the interpreter while it computes."""
    feeds = {name: values[start : start + SLICE] for name, values in columns.items()}
    answers: NDArray[np.float32] = session.run(None, feeds)[0]
    return answers
