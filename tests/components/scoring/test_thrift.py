"""What is read of Thrift's compact protocol is what was written, and broken bytes are refused."""

import io
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.scoring.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    List,
    Struct,
    read_struct,
    write_struct,
)

INTEGERS = {I16: 15, I32: 31, I64: 63}


def values(kinds: st.SearchStrategy[int], structs: st.SearchStrategy[Struct]) -> st.SearchStrategy[tuple[int, object]]:
    """Return a type and a value of it, as a field has them."""

    def of(kind: int) -> st.SearchStrategy[object]:
        if kind in INTEGERS:
            return st.integers(-(2 ** INTEGERS[kind]), 2 ** INTEGERS[kind] - 1)
        plain: dict[int, st.SearchStrategy[object]] = {
            TRUE: st.just(True),
            FALSE: st.just(False),
            BYTE: st.integers(0, 255),
            BINARY: st.binary(max_size=300),
            DOUBLE: st.floats(allow_nan=False),
            STRUCT: structs,
        }
        return plain[kind]

    single = kinds.flatmap(lambda kind: st.tuples(st.just(kind), of(kind)))
    kinds_of_items = st.sampled_from([I16, I32, I64, BYTE, BINARY, DOUBLE, STRUCT])
    lists = kinds_of_items.flatmap(lambda kind: st.lists(of(kind), max_size=20).map(lambda items: List(kind, items)))
    return single | st.tuples(st.just(LIST), lists)


every_kind = st.sampled_from([TRUE, FALSE, BYTE, I16, I32, I64, BINARY, DOUBLE, STRUCT])
structs: st.SearchStrategy[Struct] = st.deferred(
    lambda: st.dictionaries(st.integers(1, 200), values(every_kind, structs), max_size=4).map(Struct)
)


@settings(max_examples=200, deadline=None)
@given(structs)
def test_what_was_written_is_read(value: Struct) -> None:
    assert read_struct(write_struct(value)) == value


def test_a_footer_is_written_as_it_was() -> None:
    """pyarrow's own writer is the judge: the same bytes."""
    sink = io.BytesIO()
    table = pa.table({"a": [1, None, 3], "b": [["x"], None, []], "c": [math.nan, 1.0, -0.0], "d": [True, False, None]})
    pq.write_table(table, sink, row_group_size=1, write_page_index=True, sorting_columns=[pq.SortingColumn(0)])
    content = sink.getvalue()
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8]
    assert write_struct(read_struct(footer)) == footer


@pytest.mark.parametrize("broken", [b"", b"\x15", b"\x18\x7fabc", b"\x1c\x15", b"\x1b\x00\x00", b"\x19\xf8\xff"])
def test_broken_bytes_are_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="compact protocol"):
        read_struct(broken)
