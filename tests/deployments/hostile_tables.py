"""Tables that are small and do harm where they are unpacked before they are looked at. Made of a sound table."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deployments.data_plane.tables.content_types import ARROW, PARQUET

MEGABYTE = 1 << 20
ROWS = 100_000


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", **options)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """Return the table with another column in the place of its own, its rows repeated to that one's length."""
    rows = np.arange(len(column)) % len(table)
    return table.take(rows).set_column(table.schema.get_field_index(name), name, column)


def broken_offsets(table: pa.Table, name: str) -> bytes:
    """Return an Arrow stream with a column of texts whose offsets lead far out of their buffer."""
    length = 777
    sound = np.arange(length + 1, dtype=np.int32) * 2
    broken = sound.copy()
    broken[10:-1] = np.arange(length - 10) * 1_000_000 + 2**28
    body = arrow(with_column(table, name, pa.array(["AA"] * length)))
    assert sound.tobytes() in body
    return body.replace(sound.tobytes(), broken.tobytes())


def broken_places(length: int = 1_000) -> pa.Array:
    """Return a dictionary of two texts whose places are beyond it."""
    return pa.DictionaryArray.from_arrays(
        pa.array(np.full(length, 2**30, np.int32)), pa.array(["AA", "DL"]), safe=False
    )


def one_text(length: int, rows: int) -> pa.Array:
    """Return one long text in every row, held once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["A" * length]))


def one_view(length: int, rows: int) -> pa.Array:
    """Return one long text in every row, as views of the same bytes."""
    view = np.zeros((rows, 4), np.int32)
    view[:, 0], view[:, 1] = length, int.from_bytes(b"AAAA", "little")
    return pa.Array.from_buffers(
        pa.string_view(), rows, [None, pa.py_buffer(view.tobytes()), pa.py_buffer(b"A" * length)]
    )


def nested(depth: int) -> pa.DataType:
    """Return a type of lists of lists."""
    kind: pa.DataType = pa.int8()
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind


def hostile_tables(table: pa.Table, text: str, number: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, content type and body of each; ``text`` and ``number`` are columns that the contract knows."""
    zeros = pa.array(np.zeros(40 * MEGABYTE // 8))
    bomb = pa.table({"unknown": zeros})
    long = {"long text": one_text(MEGABYTE, ROWS), "long view": one_view(MEGABYTE, ROWS)}
    odd: dict[str, Callable[[], pa.Array]] = {
        "places": broken_places,
        "decimal": lambda: pa.array([1], pa.decimal128(38, 10)),
        "zone": lambda: pa.array([0], pa.timestamp("us", "Europe/Oslo")),
        "list": lambda: pa.array([[1]]),
        "deep list": lambda: pa.array([None], nested(60)),
        "struct": lambda: pa.array([{"a": 1}]),
        "union": lambda: pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
        "run ends": lambda: pa.RunEndEncodedArray.from_arrays([9_000], ["A" * MEGABYTE]),
        "binary": lambda: pa.array([b"\xff\xfe"]),
        "no UTF-8": lambda: pa.StringArray.from_buffers(
            1, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")
        ),
        "null places": lambda: pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["AA", None])),
        "half floats": lambda: pa.array(np.array([1.0], np.float16)),
    }
    for name, make in odd.items():
        for column in (text, number):
            yield f"{name} in {column}", ARROW, arrow(with_column(table, column, make()), "zstd")
    yield "offsets", ARROW, broken_offsets(table, text)
    for name, column_ in long.items():
        yield name, ARROW, arrow(with_column(table, text, column_), "zstd")
    many = pa.array(["A" * MEGABYTE] * 64)
    yield "long text in Parquet", PARQUET, parquet(with_column(table, text, many), row_group_size=64)
    unknown = table.append_column("unknown", zeros[: len(table)])
    yield "unknown column", ARROW, arrow(unknown)
    yield "unknown column that is large", ARROW, arrow(bomb, "zstd")
    yield "unknown column that is large in Parquet", PARQUET, parquet(bomb, use_dictionary=False)
    yield "too many rows", ARROW, arrow(with_column(table.select([number]), number, zeros), "zstd")
    yield "a column twice", ARROW, arrow(table.append_column(number, table.column(number)))
    wide = pa.table({f"column_{place}": pa.array([1]) for place in range(10_000)})
    yield "10,000 columns", ARROW, arrow(wide)
    yield "10,000 columns in Parquet", PARQUET, parquet(wide)
    empty = pa.Table.from_batches([], table.schema)
    yield "no batch", ARROW, arrow(empty)
    yield "no row", PARQUET, parquet(table.slice(0, 0))
    yield "many empty batches", ARROW, _empty_batches(table, 100)
    yield "a name that is no UTF-8", ARROW, arrow(table).replace(number.encode(), b"\xff" * len(number))
    for body, kind in ((arrow(table), ARROW), (parquet(table), PARQUET)):
        yield f"half of {kind}", kind, body[: len(body) // 2]
        yield f"end of {kind}", kind, body[len(body) // 2 :]
    yield "Parquet as Arrow", ARROW, parquet(table)
    yield "nothing", ARROW, b""
    yield "nothing as Parquet", PARQUET, b""
    yield "footer alone", PARQUET, b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1"


def _empty_batches(table: pa.Table, count: int) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        empty = pa.RecordBatch.from_pylist([], schema=table.schema)
        for _ in range(count):
            stream.write_batch(empty)
    written: bytes = sink.getvalue().to_pybytes()
    return written
