"""How the stages write Parquet: quickly, for it is read again at once and often.

Measured on 10 million flights: Snappy instead of Zstandard takes a fifth off the time of a copy and adds a tenth to
its size. Measured on 50 million: reading a file of 500 row groups of 97,000 rows (Polars' default) and dividing it into
two took 5.9 GB, the same rows in 100 groups of 500,000 took 3.4 GB.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.description.spec import ContractSpec
from data_contracts.description.types.registry import value_type

ROW_GROUP = 500_000
# Of rows with large values: as many as take no more memory than this, but never so few that a group is one page.
GROUP_BYTES, FEWEST = 256_000_000, 512
# Rows that are worked on at once. A million take as long where memory is at hand, and a tenth more where it is not.
BLOCK = 500_000
CODEC = "snappy"
# Values that are encoded at once: 1,024, which is the default, take 5 % longer.
BATCH = 65_536
# Values of a column that tell whether compressing it pays: to a quarter at most. Less would save a sixth of the size of
# features, and writing those columns would take three times as long (7 ms a million float32 instead of 2).
PROBE = 65_536
SHRINK = 4


def rows_at_once(contract: ContractSpec) -> int:
    """Return how many rows of a contract are written and worked on at once: fewer where values may be large."""
    large = [field for field in contract.fields if value_type(field.dtype).is_large]
    if not large:
        return BLOCK
    worst = sum(value_type(field.dtype).most_bytes(field) for field in large)
    return max(FEWEST, min(BLOCK, GROUP_BYTES // max(worst, 1)))


def sink(rows: pl.LazyFrame, path: Path, *, statistics: bool = False, group: int = ROW_GROUP) -> pl.LazyFrame:
    """Return the query that streams rows into a Parquet file; nothing runs yet.

    ``statistics`` (minimum, maximum) are for files that are filtered by their columns later.
    """
    written = rows.sink_parquet(path, lazy=True, compression="snappy", statistics=statistics, row_group_size=group)
    assert written is not None, "a lazy sink is a query"
    return written


class BlockFiles:
    """Parquet files in a folder that grow block by block: one is written, two files at once, while the next is made.

    For what would not stay small as one stream: Polars' reader runs ahead of a slow query and its writer, up to the
    whole file (6.9 GB for the features of 24 million flights).
    """

    def __init__(self, folder: Path, *, filled: Collection[str] = (), group: int = ROW_GROUP) -> None:
        """Prepare files in ``folder``, in row groups of this size.

        The columns named in ``filled`` never have a null, and are written faster.
        """
        self._group = group
        self._folder = folder
        self._filled = filled
        self._pool = ThreadPoolExecutor(max_workers=2)
        self._pending: list[Future[None]] = []
        self._waiting: dict[str, list[pa.Table]] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> "BlockFiles":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._settle()
                self._pending = [self._pool.submit(self._flush, name, whole_groups=False) for name in self._waiting]
                self._settle()
        finally:
            self._pool.shutdown()
            for writer in self._writers.values():
                writer.close()

    def add(self, block: Mapping[str, pl.DataFrame]) -> None:
        """Append rows to ``<name>.parquet`` for each name; waits until the block before is written."""
        self._settle()
        self._pending = [self._pool.submit(self._write, name, rows) for name, rows in block.items()]

    def _settle(self) -> None:
        for written in self._pending:
            written.result()
        self._pending = []

    def _write(self, name: str, rows: pl.DataFrame) -> None:
        table = rows.to_arrow()
        fields = [field.with_nullable(field.name not in self._filled) for field in table.schema]
        self._waiting.setdefault(name, []).append(table.cast(pa.schema(fields)))
        if sum(table.num_rows for table in self._waiting[name]) >= self._group:
            self._flush(name, whole_groups=True)

    def _flush(self, name: str, *, whole_groups: bool) -> None:
        table = pa.concat_tables(self._waiting[name])
        size = table.num_rows // self._group * self._group if whole_groups else table.num_rows
        if name not in self._writers:
            self._writers[name] = _writer(self._folder / f"{name}.parquet", table)
        self._writers[name].write_table(table.slice(0, size), row_group_size=self._group)
        self._waiting[name] = [table.slice(size)]


def _writer(path: Path, first: pa.Table) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        first.schema,
        compression={name: "none" if _is_dense(first[name]) else CODEC for name in first.column_names},
        use_dictionary=[field.name for field in first.schema if not _is_plain(field.type) and not _is_own(field.type)],
        write_statistics=False,
        write_batch_size=BATCH,
    )


def _is_dense(column: pa.ChunkedArray) -> bool:
    """Return whether a column as it is written is not worth compressing, judged by its first values."""
    some = column.slice(0, PROBE).combine_chunks()
    if pa.types.is_integer(column.type):
        # Places in a small dictionary are packed to a few bits each already.
        return bool(pc.count_distinct(some).as_py() * 8 <= len(some))
    if not _is_plain(column.type):
        return False
    values = some.buffers()[1]
    return values is None or SHRINK * len(pa.compress(values, codec=CODEC, asbytes=True)) > values.size


def _is_plain(dtype: pa.DataType) -> bool:
    """Return whether no dictionary is looked for: it is worth its time for text and codes, not in other numbers."""
    return bool(pa.types.is_floating(dtype) or pa.types.is_temporal(dtype))


def _is_own(dtype: pa.DataType) -> bool:
    """Return whether values are as good as never the same: bytes and vectors."""
    return bool(pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype) or pa.types.is_nested(dtype))
