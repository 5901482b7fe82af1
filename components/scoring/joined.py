"""Answers beside the columns of the Parquet file they answer, whose bytes are copied as they are.

Encoding the inputs again was a quarter of the processor time of scoring. No library that we know of copies column
chunks from one file into another; the format allows it, for all that says where a chunk lies stands in the footer.
Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from components.artefacts.errors import SourceError
from components.scoring.footer import MAGIC, Footer, footer_of, is_encrypted, state_of
from components.scoring.output import parquet_writer
from components.scoring.thrift import BINARY, I16, I32, I64, LIST, STRUCT, List, Struct, write_struct

# Numbers of the types of a schema: physical, converted, logical.
BOOLEAN, INT32, INT64, DOUBLE, BYTE_ARRAY = 0, 1, 2, 5, 6
UTF8, DATE, INT_64 = 0, 6, 18
STRING_TYPE, DATE_TYPE, TIMESTAMP_TYPE = 1, 6, 8
# They left the head of a dictionary page out of a chunk's size (PARQUET-816).
SHORT_SIZES = re.compile(rb"parquet-mr version 1\.[0-2]\.")
# The answers of a row group are held until it is whole; very many groups cost more than encoding again saves.
MOST_GROUP_ROWS = 4_000_000
LEAST_GROUP_ROWS = 8_192


@dataclass
class _Group:
    """The chunks of a row group that are wanted, and its number of rows."""

    chunks: tuple[Struct, ...]
    rows: int


@dataclass
class StoredColumns:
    """What the footer of a Parquet file says of some of its columns, in the order that they are wanted in."""

    file: Path
    footer: Footer
    # As in the footer: depth first.
    elements: list[Struct]
    orders: list[Struct] | None
    groups: list[_Group]

    @property
    def rows(self) -> int:
        """The number of rows that the footer tells."""
        return sum(group.rows for group in self.groups)


def stored_columns(file: Path, footer: Footer, names: Sequence[str]) -> StoredColumns | None:
    """Return columns of a Parquet file to be copied; None where encoding them again is the safer way.

    That is a file with encrypted or nested columns, types that stand in metadata alone, very small or large row groups,
    or sizes that readers mend.
    """
    # 6: who wrote it.
    if SHORT_SIZES.match(footer.told.get(6, b"")):
        return None
    found = footer.columns()
    if not all(name in found and len(found[name].elements) == 1 and _is_plain(*found[name].elements) for name in names):
        return None
    columns = [found[name] for name in names]
    rows = footer.rows()
    if not rows or max(rows) > MOST_GROUP_ROWS or (len(rows) > 1 and sum(rows) < LEAST_GROUP_ROWS * len(rows)):
        return None
    chunks = zip(*(footer.chunks(column) for column in columns), strict=True)
    groups = [_Group(some, size) for some, size in zip(chunks, rows, strict=True)]
    if not all(_can_move(chunk, group.rows) for group in groups for chunk in group.chunks):
        return None
    orders = footer.told.get(7)
    return StoredColumns(
        file,
        footer,
        [element for column in columns for element in column.elements],
        orders and [orders.items[column.place] for column in columns],
        groups,
    )


class JoinedWriter:
    """A Parquet file of stored columns and, beside them, tables of as many rows; it has the row groups of the first."""

    def __init__(self, path: Path, schema: pa.Schema, stored: StoredColumns) -> None:
        self._schema = schema
        self._stored = stored
        self._source = stored.file.open("rb")
        self._target = path.open("wb")
        self._target.write(MAGIC)
        self._waiting: list[pa.Table] = []
        self._groups: list[Struct] = []
        self._answers: Struct | None = None

    def write_table(self, table: pa.Table) -> None:
        """Take the next rows; they are written when they fill a row group."""
        self._waiting.append(table)
        while len(self._groups) < len(self._stored.groups):
            size = self._stored.groups[len(self._groups)].rows
            if sum(some.num_rows for some in self._waiting) < size:
                break
            whole = pa.concat_tables(self._waiting)
            self._waiting = [whole.slice(size)]
            self._write_group(self._stored.groups[len(self._groups)], whole.slice(0, size))

    def close(self) -> None:
        """Write the footer, if all rows are there, and close both files; SourceError if the stored one was changed."""
        try:
            self._check_source()
            if self._answers is not None and len(self._groups) == len(self._stored.groups):
                footer = write_struct(self._footer(self._answers))
                self._target.write(footer + len(footer).to_bytes(4, "little") + MAGIC)
        finally:
            self._target.close()
            self._source.close()

    def _write_group(self, stored: _Group, answers: pa.Table) -> None:
        encoded = io.BytesIO()
        with parquet_writer(encoded, self._schema) as writer:
            writer.write_table(answers, row_group_size=stored.rows)
        self._answers = footer_of(encoded)
        assert self._answers is not None, "a Parquet file has a footer"
        (made,) = self._answers.get(4).items
        start = self._target.tell()
        chunks = [self._copied(chunk, self._source) for chunk in stored.chunks]
        chunks += [self._copied(chunk, encoded) for chunk in made.get(1).items]
        group = Struct()
        group.put(1, LIST, List(STRUCT, chunks))
        group.put(2, I64, sum(chunk.get(3).get(6) for chunk in chunks))
        group.put(3, I64, stored.rows)
        group.put(5, I64, start)
        group.put(6, I64, sum(chunk.get(3).get(7) for chunk in chunks))
        if len(self._groups) < 2**15:
            group.put(7, I16, len(self._groups))
        self._groups.append(group)

    def _copied(self, chunk: Struct, file: BinaryIO) -> Struct:
        """Write a chunk's pages and return what the footer has to say of them."""
        begin, size = _place(chunk)
        moved = self._target.tell() - begin
        file.seek(begin)
        if self._target.write(file.read(size)) != size:
            self._check_source()
            raise SourceError(f"{self._stored.file} cannot be read: it ends before its footer says")
        meta = Struct(dict(chunk.get(3).fields))
        # 9 to 11: pages of data, index, dictionary; 14 and 15: a Bloom filter, which is not copied.
        for number in (9, 10, 11):
            if number in meta.fields:
                meta.put(number, I64, meta.get(number) + moved)
        meta.drop(14, 15)
        told = Struct()
        told.put(2, I64, 0)
        told.put(3, STRUCT, meta)
        return told

    def _check_source(self) -> None:
        if state_of(self._source) != self._stored.footer.state:
            raise SourceError(f"{self._stored.file} was changed while it was read: score it again")

    def _footer(self, answers: Struct) -> Struct:
        root, *elements = answers.get(2).items
        first = Struct(dict(root.fields))
        first.put(5, I32, len(self._stored.elements) + root.get(5))
        orders = None
        if self._stored.orders is not None and answers.get(7) is not None:
            orders = [*self._stored.orders, *answers.get(7).items]
        footer = Struct()
        footer.put(1, I32, max(self._stored.footer.told.get(1), answers.get(1)))
        footer.put(2, LIST, List(STRUCT, [first, *self._stored.elements, *elements]))
        footer.put(3, I64, sum(group.get(3) for group in self._groups))
        footer.put(4, LIST, List(STRUCT, self._groups))
        # Readers know the errors of old writers by their names.
        if (maker := self._stored.footer.told.get(6)) is not None:
            footer.put(6, BINARY, maker)
        if orders is not None:
            footer.put(7, LIST, List(STRUCT, orders))
        return footer


def _is_plain(element: Struct) -> bool:
    """Return whether a column's type follows from the schema for every reader, without metadata beside it."""
    kind, converted, logical = element.get(1), element.get(6), element.get(10, Struct()).fields.keys()
    return (
        kind in (BOOLEAN, DOUBLE)
        or (kind == BYTE_ARRAY and (converted == UTF8 or STRING_TYPE in logical))
        or (kind == INT32 and (converted == DATE or DATE_TYPE in logical))
        or (kind == INT64 and (converted in (None, INT_64) or TIMESTAMP_TYPE in logical))
    )


def _can_move(chunk: Struct, rows: int) -> bool:
    """Return whether a chunk lies where the footer says, in this file, unencrypted, with a value for each row."""
    # 1: the other file it lies in; 5: the number of values; 11: a dictionary at 0 is none.
    if is_encrypted(chunk) or 1 in chunk.fields:
        return False
    return bool(chunk.get(3).get(5) == rows and chunk.get(3).get(11, 1) > 0)


def _place(chunk: Struct) -> tuple[int, int]:
    """Return where the pages of a chunk begin, and their size in bytes."""
    meta = chunk.get(3)
    begin: int = meta.get(9)
    if 0 < meta.get(11, 0) < begin:
        begin = meta.get(11)
    return begin, meta.get(7)
