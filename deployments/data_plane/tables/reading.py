"""Tables out of bodies, bounded before anything is unpacked: rows, columns, types and sizes are asked first."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.description.spec import ContractSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.formats.request import MalformedRequest, TooManyRows
from deployments.data_plane.protocol import BodyTooLarge
from deployments.data_plane.tables.checks import check_columns, check_schema, checked
from deployments.data_plane.tables.content_types import PARQUET
from deployments.data_plane.tables.table_type import Checked


def read_columns(
    body: Any, content_type: str, contract: ContractSpec, max_rows: int, max_bytes: int
) -> tuple[Checked, int]:
    """Return the values of a table in a body, checked, and the number of its rows.

    ``body`` is a buffer; what it unpacks to is at most ``max_bytes`` large. Raises InvalidRow, MalformedRequest,
    TooManyRows, BodyTooLarge, MemoryError.
    """
    read = _read_parquet if content_type == PARQUET else _read_stream
    try:
        table = read(pa.py_buffer(body), contract, max_rows, max_bytes)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, MemoryError):
            raise
        raise MalformedRequest(f"the body is not {content_type}: {' '.join(str(error).split())[:200]}") from None
    return checked(table, contract, max_bytes), table.num_rows


def _read_stream(body: pa.Buffer, contract: ContractSpec, max_rows: int, max_bytes: int) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    rows = 0
    with pa.ipc.open_stream(body, options=pa.ipc.IpcReadOptions(use_threads=False)) as stream:
        check_schema(stream.schema, contract)
        for batch in stream:
            rows += len(batch)
            _check_rows(rows, max_rows)
            check_columns(batch, max_bytes)
            batches.append(batch)
        return pa.Table.from_batches(batches, stream.schema)


def _read_parquet(body: pa.Buffer, contract: ContractSpec, max_rows: int, max_bytes: int) -> pa.Table:
    footer = pq.read_metadata(pa.BufferReader(body))
    check_schema(footer.schema.to_arrow_schema(), contract)
    _check_rows(footer.num_rows, max_rows)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    _check_rows(sum(group.num_rows for group in groups), max_rows)
    size = sum(group.total_byte_size for group in groups)
    if size > max_bytes:
        raise BodyTooLarge(f"the table has {size} bytes when unpacked; at most {max_bytes}")
    # As a dictionary a text that stands in every row is held once, as it is in the file.
    texts = [field.name for field in contract.inputs if value_type(field.dtype).python is str]
    with pq.ParquetFile(pa.BufferReader(body), metadata=footer, read_dictionary=texts) as file:
        table = file.read(use_threads=False)
    # What the footer says need not be so.
    _check_rows(table.num_rows, max_rows)
    check_schema(table.schema, contract)
    for batch in table.to_batches():
        check_columns(batch, max_bytes)
    return table


def _check_rows(rows: int, limit: int) -> None:
    if rows > limit:
        raise TooManyRows(f"{rows} rows in one table; at most {limit}")
