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

KINDS = ("string", "integer", "number", "boolean", "datetime", "date")
CONTRACT = ContractSpec(
    name="Everything",
    description="a field of each type",
    fields=(
        *(FieldSpec(name=kind, dtype=kind, description="a field", nullable=True) for kind in KINDS),
        FieldSpec(name="label", dtype="boolean", description="the label", roles=("label",), available="after"),
    ),
)
VALUES = [
    ("ab", 2**53 + 1, 0.1, True, datetime(9999, 12, 31, 23, 59, 59, 999_999), date(1, 1, 1)),
    ("", -(2**63), -1e300, False, datetime(1, 1, 1), None),
    ("blåbær 🫐", None, None, None, None, date(9999, 12, 31)),
    (None, 3, 2.0, True, datetime(2024, 2, 29, 1), None),
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
