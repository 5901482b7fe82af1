"""Columns of bytes, as they are: no base64, and each different value is held once."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.tables.table_type import Distinct, TableType
from deployments.data_plane.tables.types.strings import Rule, breaks, distinct


class BytesTable(TableType):
    """Bytes of a media type."""

    name = "bytes"
    arrow = pa.large_binary()

    def fits(self, kind: pa.DataType) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))

    def checked(self, column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Distinct:
        return distinct(column, field, max_bytes, pa.large_binary(), b"", _rules)

    def of_graph(self, values: NDArray[Any], field: FieldSpec) -> Any:
        return pa.array(values, self.arrow)


def _rules(values: pa.LargeBinaryArray, field: FieldSpec) -> Iterator[Rule]:
    size = pc.binary_length(values)
    yield breaks(pc.greater(size, 0)), lambda row: "empty"
    yield breaks(pc.less_equal(size, field.max_bytes)), lambda row: f"larger than {field.max_bytes:,} bytes"


TYPES = (BytesTable(),)
