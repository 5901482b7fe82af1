"""A table's columns against the contract: first names and types, for which nothing is unpacked, then every value."""

import numpy as np
import pyarrow as pa

from data_contracts.description.spec import ContractSpec, FieldSpec
from deployments.data_plane.formats.request import InvalidRow
from deployments.data_plane.tables.table_type import Checked, check_bytes
from deployments.data_plane.tables.types.registry import table_type

# The length in a view's 16 bytes; the rest is a place, or the text itself.
_VIEW = 4


def check_schema(schema: pa.Schema, contract: ContractSpec) -> None:
    """Refuse columns that the contract does not know, or of a type that none of its values have; raises InvalidRow."""
    fields = {field.name: field for field in contract.inputs}
    afterwards = {field.name for field in contract.fields} - fields.keys()
    seen: set[str] = set()
    for column in schema:
        if column.name not in fields:
            reason = "known only after the outcome; leave it out" if column.name in afterwards else "unknown field"
            raise InvalidRow(0, column.name, reason)
        if column.name in seen:
            raise InvalidRow(0, column.name, "the column stands twice")
        seen.add(column.name)
        if not _fits(column.type, fields[column.name]):
            raise InvalidRow(0, column.name, f"a column of {column.type} is not {fields[column.name].dtype}")
    for name in fields:
        if name not in seen:
            raise InvalidRow(0, name, "missing")


def _fits(kind: pa.DataType, field: FieldSpec) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # No value at all: whether one may be missing is asked later.
    return bool(pa.types.is_null(kind)) or table_type(field.dtype).fits(kind)


def check_columns(batch: pa.RecordBatch, max_bytes: int) -> None:
    """Refuse columns whose buffers are not what they should be: lengths, offsets, places in a dictionary, UTF-8.

    Raises an Arrow exception, or BodyTooLarge for values that are one very many times.
    """
    batch.validate()
    for column in batch.columns:
        values = column.dictionary if pa.types.is_dictionary(column.type) else column
        if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
            # Before the full check, which would read each as often as it is named.
            _check_views(values, max_bytes)
    batch.validate(full=True)


def _check_views(views: pa.Array, max_bytes: int) -> None:
    """Refuse views that are too large when written out: many may name the same bytes."""
    buffer = views.buffers()[1]
    if buffer is None:
        return
    lengths = np.frombuffer(buffer, np.int32, buffer.size // 4)[::_VIEW][views.offset :][: len(views)]
    # What lies under a missing value is never read.
    present = views.is_valid().to_numpy(zero_copy_only=False)
    check_bytes(int(lengths[present[: len(lengths)]].sum(dtype=np.int64)), max_bytes)


def checked(table: pa.Table, contract: ContractSpec, max_bytes: int) -> Checked:
    """Return a table's values as the graph takes them; its schema and its buffers have been checked before.

    InvalidRow names the first row and field that break the contract.
    """
    if not table.num_rows:
        raise InvalidRow(0, None, "the table holds no row")
    return {
        field.name: table_type(field.dtype).checked(table.column(field.name), field, max_bytes)
        for field in contract.inputs
    }


def check_table(table: pa.Table, contract: ContractSpec, max_bytes: int = 1 << 30) -> Checked:
    """Return the checked values of a table in memory; raises InvalidRow."""
    check_schema(table.schema, contract)
    for batch in table.to_batches():
        check_columns(batch, max_bytes)
    return checked(table, contract, max_bytes)
