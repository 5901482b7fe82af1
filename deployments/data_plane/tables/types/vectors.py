"""Columns of vectors: lists of numbers, of a fixed size or not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.tables.table_type import TableType, Vectors, check_bytes, refuse, refuse_missing


class VectorTable(TableType):
    """Finite numbers in order."""

    name = "vector"
    arrow = pa.large_list(pa.float64())

    def fits(self, kind: pa.DataType) -> bool:
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            return False
        inner = kind.value_type
        return bool(pa.types.is_floating(inner) or pa.types.is_integer(inner) or pa.types.is_null(inner))

    def checked(self, column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Vectors:
        if not pa.types.is_null(column.type):
            check_bytes(8 * sum(len(pc.list_flatten(chunk)) for chunk in column.chunks), max_bytes)
        lists = column.combine_chunks().cast(self.arrow)
        missing: NDArray[np.bool_] = lists.is_null().to_numpy(zero_copy_only=False)
        refuse_missing(missing, field)
        lengths: NDArray[np.int64] = pc.list_value_length(lists).fill_null(0).to_numpy()
        low, high = field.min_length or 0, field.max_length
        assert high is not None, "compilation asks for it"
        refuse((lengths < low) & ~missing, field, lambda row: f"shorter than {low}")
        refuse((lengths > high) & ~missing, field, lambda row: f"longer than {high}")
        # What lies under a missing value is not among them.
        flat = pc.list_flatten(lists).fill_null(float("nan")).to_numpy(zero_copy_only=False)
        ends = lengths.cumsum()
        if not np.isfinite(flat).all():
            row = int(np.searchsorted(ends, int(np.argmin(np.isfinite(flat))), side="right"))
            refuse(np.arange(len(ends)) == row, field, lambda row: "has a number that is not finite")
        return Vectors(np.ascontiguousarray(flat), ends, missing.astype(np.int8))

    def of_graph(self, values: NDArray[Any], field: FieldSpec) -> Any:
        return pa.array(list(values), self.arrow)


TYPES = (VectorTable(),)
