"""What stands at the end of a Parquet file: which columns it has, where their pages lie, and how they are encoded.

Read by ``thrift``, not by pyarrow: its bytes are copied, and pyarrow ends the process when it is asked about a column
that is encrypted.
"""

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from components.scoring.thrift import Struct, read_struct

MAGIC = b"PAR1"


class Footer(NamedTuple):
    """A footer, and the state of the file that it was read from."""

    told: Struct
    state: tuple[int, ...]

    def columns(self) -> dict[str, "Column"]:
        """Return the columns at the top of the schema by name."""
        root, *elements = self.told.get(2).items
        found: dict[str, Column] = {}
        at = leaf = 0
        for _ in range(root.get(5, 0)):
            end, first = at + 1, leaf
            open_children = elements[at].get(5, 0)
            leaf += not open_children
            while open_children:
                children = elements[end].get(5, 0)
                leaf += not children
                open_children += children - 1
                end += 1
            found[elements[at].get(4).decode()] = Column(first, elements[at:end])
            at = end
        return found

    def chunks(self, column: "Column") -> list[Struct]:
        """Return the first chunk of a column in each row group that has rows."""
        return [group.get(1).items[column.place] for group in self._groups()]

    def rows(self) -> list[int]:
        """Return the number of rows of each row group that has some."""
        return [group.get(3) for group in self._groups()]

    def _groups(self) -> list[Struct]:
        return [group for group in self.told.get(4).items if group.get(3)]


class Column(NamedTuple):
    """The place of a column's first chunk in every row group, and its elements of the schema, depth first."""

    place: int
    elements: list[Struct]


def read_footer(file: Path) -> Footer | None:
    """Return the footer of a file, None if it has none that can be read, or it is encrypted."""
    with file.open("rb") as opened:
        state = state_of(opened)
        try:
            told = footer_of(opened)
        except ValueError:
            return None
    # 8: the algorithm that it is encrypted by.
    return None if told is None or 8 in told.fields else Footer(told, state)


def footer_of(file: BinaryIO) -> Struct | None:
    """Return what stands at the end of a Parquet file, None if it is another file or encrypted as a whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(MAGIC) - 4))
    tail = file.read()
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > size:
        return None
    file.seek(size - len(tail) - length)
    return read_struct(file.read(length))


def is_encrypted(chunk: Struct) -> bool:
    """Return whether a chunk, or what the footer says of it, is encrypted."""
    # 8 and 9: how it is encrypted, and that; 3: what the footer says of it.
    return bool(chunk.fields.keys() & {8, 9}) or 3 not in chunk.fields


def state_of(file: BinaryIO) -> tuple[int, ...]:
    """Return what is another when a file is replaced or written to."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
