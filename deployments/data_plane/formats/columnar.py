"""Many answers at once as columns: Arrow IPC or Parquet, as their tables came in.

pyarrow is imported when the first such answer is written, not when the service starts.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artefacts.errors import ServingError
from deployments.data_plane.formats.arrow_columns import arrow_values
from deployments.data_plane.model import Model
from deployments.data_plane.tables.content_types import PARQUET


def write_answers(model: Model, answers: NDArray[np.float32], request_id: str, content_type: str) -> bytes:
    """Return a table in a format, with the numbers of each row, and the decision if there is one."""
    import pyarrow as pa

    if not np.isfinite(answers).all():
        raise ServingError(f"build {model.build_id} answered with something that is not a number")
    shape = model.serving.answer
    columns = [pa.array(np.ascontiguousarray(column)) for column in shape.values(answers)]
    table = pa.table(columns, names=[output.name for output in shape.outputs])
    return _written(table.replace_schema_metadata({"build": model.build_id, "request_id": request_id}), content_type)


def write_example(model: Model, row: Mapping[str, Any], content_type: str) -> bytes:
    """Return a row as a table in a format, in the contract's types; raises InvalidRow if the contract refuses it."""
    import pyarrow as pa

    fields, (checked,) = model.contract.inputs, model.decoder.check([row])
    columns = [arrow_values([value], field) for value, field in zip(checked, fields, strict=True)]
    return _written(pa.table(columns, names=[field.name for field in fields]), content_type)


def _written(table: Any, content_type: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    if content_type == PARQUET:
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written
