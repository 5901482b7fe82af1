"""Tables written piece by piece in the formats of ``slipway score``, in a thread, while the next piece is computed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


class Writer(Protocol):
    """Appends tables of one schema to a file."""

    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


def parquet_writer(target: Path | BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of answers, with the inputs or alone."""
    # Answers hardly repeat, so a dictionary of them is wasted; statistics of the inputs cost a fifth of the writing.
    plain = {name for name in schema.names if pa.types.is_float32(schema.field(name).type)}
    return pq.ParquetWriter(
        target,
        schema,
        compression="snappy",
        use_dictionary=[name for name in schema.names if name not in plain],
        write_statistics=sorted(plain),
        # Readers get categories as the strings that they are.
        store_schema=False,
    )


def _csv(path: Path, schema: pa.Schema) -> Writer:
    return _CsvWriter(path)


def _arrow(path: Path, schema: pa.Schema) -> Writer:
    return _ArrowWriter(path, schema)


class _ArrowWriter:
    """Categories become strings: each piece has its own, and the file format allows one set of them a column."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        fields = [pa.field(field.name, _plain(field.type)) for field in schema]
        self._schema = pa.schema(fields)
        self._writer = pa.ipc.new_file(path, self._schema)

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        self._writer.close()


class _CsvWriter:
    """Polars writes moments and quotes as the rest of Slipway reads them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._started = False

    def write_table(self, table: pa.Table) -> None:
        frame = pl.DataFrame(table)
        lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
        frame.with_columns(pl.col(lists).list.join("; ")).write_csv(self._file, include_header=not self._started)
        self._started = True

    def close(self) -> None:
        self._file.close()


def _plain(dtype: pa.DataType) -> pa.DataType:
    return dtype.value_type if pa.types.is_dictionary(dtype) else dtype


WRITERS: dict[str, Callable[[Path, pa.Schema], Writer]] = {".parquet": parquet_writer, ".csv": _csv, ".arrow": _arrow}


class Output:
    """A file that frames are appended to; at most one is being written while the next is made."""

    def __init__(self, path: Path, open_writer: Callable[[Path, pa.Schema], Writer]) -> None:
        self._path = path
        self._open_writer = open_writer
        self._writer: Writer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score-output")
        self._last: Future[None] | None = None

    def append(self, table: pa.RecordBatch) -> None:
        """Hand rows to the writing thread; OSError if earlier ones could not be written."""
        self._wait()
        self._last = self._thread.submit(self._write, table)

    def close(self) -> None:
        """Write what is left and end the thread; OSError if that fails."""
        try:
            self._wait()
        finally:
            self._thread.shutdown()
            if self._writer is not None:
                self._writer.close()

    def _write(self, rows: pa.RecordBatch) -> None:
        table = pa.Table.from_batches([rows])
        if self._writer is None:
            self._writer = self._open_writer(self._path, table.schema)
        self._writer.write_table(table)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
