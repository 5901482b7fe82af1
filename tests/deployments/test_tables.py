"""What the process that reads tables hands over: nothing is rounded, and nothing of another table is left."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from data_contracts.description.spec import ContractSpec, FieldSpec
from deployments.data_plane.formats.request import InvalidRow
from deployments.data_plane.options import Options
from deployments.data_plane.tables.content_types import ARROW, PARQUET
from deployments.data_plane.tables.reader import TableReader
from tests.deployments.hostile_tables import arrow, parquet

KINDS = ("string", "integer", "number", "boolean", "datetime", "date", "text", "bytes", "vector")
LIMITS: dict[str, Any] = {
    "text": {"media_type": "text/plain"},
    "bytes": {"media_type": "image/*", "max_bytes": 1_000_000},
    "vector": {"max_length": 3},
}
LARGE = bytes(range(250)) * 4_000
CONTRACT = ContractSpec(
    name="Everything",
    description="a field of each type",
    fields=(
        *(
            FieldSpec(name=kind, dtype=kind, description="a field", nullable=True, **LIMITS.get(kind, {}))
            for kind in KINDS
        ),
        FieldSpec(name="label", dtype="boolean", description="the label", roles=("label",), available="after"),
    ),
)
VALUES = [
    (
        "ab",
        2**53 + 1,
        0.1,
        True,
        datetime(9999, 12, 31, 23, 59, 59, 999_999),
        date(1, 1, 1),
        "a\nb",
        b"\xff\x00",
        [1.5],
    ),
    ("", -(2**63), -1e300, False, datetime(1, 1, 1), None, "", LARGE, []),
    ("blåbær 🫐", None, None, None, None, date(9999, 12, 31), None, None, None),
    (None, 3, 2.0, True, datetime(2024, 2, 29, 1), None, "é" * 1_000_000, b"\x00", [0.1, -0.0, 1e300]),
]
ROWS: list[dict[str, Any]] = [dict(zip(KINDS, values, strict=True)) for values in VALUES]
SCHEMA = pa.schema(
    {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "datetime": pa.timestamp("us"),
        "date": pa.date32(),
        "text": pa.string(),
        "bytes": pa.binary(),
        "vector": pa.list_(pa.float64()),
    }
)


@pytest.fixture(scope="module")
def reader() -> Iterator[TableReader]:
    made = TableReader(Options())
    yield made
    made.close()


def read(reader: TableReader, table: pa.Table, content_type: str = ARROW) -> list[dict[str, Any]]:
    body = arrow(table) if content_type == ARROW else parquet(table)
    found = reader.read(body, content_type, msgspec.json.encode(CONTRACT))
    return pa.table(found.inputs(CONTRACT.inputs)).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("content_type", [ARROW, PARQUET])
def test_inputs_are_exactly_what_was_sent(reader: TableReader, content_type: str) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    assert read(reader, table, content_type) == ROWS
    assert read(reader, table.slice(2), content_type) == ROWS[2:]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_every_form_of_text_is_the_same_text(reader: TableReader, kind: pa.DataType) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    other = table.set_column(0, "string", table.column("string").cast(kind))
    assert read(reader, pa.concat_tables([other, other.slice(1)])) == ROWS + ROWS[1:]


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int8(), pa.binary())])
def test_every_form_of_bytes_is_the_same_bytes(reader: TableReader, kind: pa.DataType) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    place = table.column_names.index("bytes")
    other = table.set_column(place, "bytes", table.column("bytes").cast(kind))
    assert read(reader, pa.concat_tables([other, other.slice(1)])) == ROWS + ROWS[1:]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 2), pa.large_list(pa.int8()), pa.list_(pa.float64(), 2)])
def test_every_form_of_vector_is_the_same_numbers(reader: TableReader, kind: pa.DataType) -> None:
    place, rows = SCHEMA.names.index("vector"), [row | {"vector": [1.0, 2.0]} for row in ROWS[:2]] + ROWS[2:3]
    table = pa.Table.from_pylist(rows, SCHEMA)
    other = table.set_column(place, "vector", pa.array([[1, 2], [1, 2], None], kind))
    assert read(reader, pa.concat_tables([other, other.slice(1)])) == rows + rows[1:]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("bytes", [b"a", b""], "row 1, field bytes: empty"),
        ("bytes", [LARGE + b"x", None], "row 0, field bytes: larger than 1,000,000 bytes"),
        ("vector", [[1.0], [0.0] * 4], "row 1, field vector: longer than 3"),
        ("vector", [None, [1.0, None]], "row 1, field vector: has a number that is not finite"),
        ("vector", [[], [1.0, float("inf")]], "row 1, field vector: has a number that is not finite"),
    ],
)
def test_a_large_value_that_breaks_the_contract_is_refused_by_row(
    reader: TableReader, name: str, values: list[Any], reason: str
) -> None:
    table = pa.Table.from_pylist([row | {name: value} for row, value in zip(ROWS[:2], values, strict=True)], SCHEMA)
    with pytest.raises(InvalidRow, match=reason):
        read(reader, table)


def test_a_predictor_is_given_bytes_and_vectors_as_they_are(reader: TableReader) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    tensors = reader.read(arrow(table), ARROW, msgspec.json.encode(CONTRACT)).tensors
    assert tensors["bytes"].tolist() == [row["bytes"] for row in ROWS]
    vectors = [None if value is None else value.tolist() for value in tensors["vector"]]
    assert vectors == [row["vector"] for row in ROWS]


def test_columns_without_a_type_are_missing_values(reader: TableReader) -> None:
    nothing = pa.table({name: pa.nulls(2) for name in SCHEMA.names})
    assert read(reader, nothing) == [dict.fromkeys(SCHEMA.names)] * 2


def test_a_table_keeps_its_values_while_others_are_read(reader: TableReader) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    first = reader.read(arrow(table), ARROW, msgspec.json.encode(CONTRACT))
    for _ in range(5):
        read(reader, table.slice(1))
    assert pa.table(first.inputs(CONTRACT.inputs)).to_pylist() == ROWS


def test_another_contract_is_checked_from_the_next_table_on(reader: TableReader) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    read(reader, table)
    fields = tuple(msgspec.structs.replace(field, nullable=False) for field in CONTRACT.fields)
    strict = msgspec.structs.replace(CONTRACT, fields=fields)
    with pytest.raises(InvalidRow, match="row 3, field string: missing"):
        reader.read(arrow(table), ARROW, msgspec.json.encode(strict))


def test_whole_numbers_beyond_64_bits_are_refused_as_in_json(reader: TableReader) -> None:
    table = pa.Table.from_pylist(ROWS[3:], SCHEMA).set_column(1, "integer", pa.array([2**63], pa.uint64()))
    with pytest.raises(InvalidRow, match="a column of uint64 is not integer"):
        read(reader, table)
