"""The columns of a table that was read and checked: as the graph takes them, and exactly as they were sent."""

import mmap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.formats.arrow_columns import arrow_column
from deployments.data_plane.tables.messages import Column, Done


class Table:
    """A table in the memory that its reader has left it in.

    Tensors are of doubles, NaN for missing, or of objects: texts, "" for missing; bytes or vectors, None for missing.
    """

    def __init__(self, done: Done, memory: mmap.mmap) -> None:
        self._rows, self._memory = done.rows, memory
        self._columns = {column.name: column for column in done.columns}
        self._distinct: dict[str, list[Any]] = {
            column.name: self._distinct_values(column) for column in done.columns if column.form in ("text", "bytes")
        }
        self.tensors = {name: self._tensor(column) for name, column in self._columns.items()}

    def inputs(self, fields: Sequence[FieldSpec]) -> dict[str, Any]:
        """Return Arrow columns of the contract's own types: nothing is rounded, and "" is not null."""
        return {field.name: self._input(self._columns[field.name], field) for field in fields}

    def _tensor(self, column: Column) -> NDArray[Any]:
        if column.form == "numbers":
            return np.frombuffer(self._memory, np.float64, self._rows, column.start)
        tensor: NDArray[Any] = np.empty(self._rows, dtype=object)
        if column.form == "vectors":
            numbers, ends, missing = self._vectors(column)
            for row, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
                tensor[row] = None if missing[row] else numbers[start:end]
            return tensor
        values = np.empty(len(self._distinct[column.name]) + 1, dtype=object)
        values[:-1] = self._distinct[column.name]
        values[-1] = "" if column.form == "text" else None
        tensor[:] = values[self._places(column)]
        return tensor

    def _places(self, column: Column) -> NDArray[np.int32]:
        return np.frombuffer(self._memory, np.int32, self._rows, column.start)

    def _vectors(self, column: Column) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        numbers = np.frombuffer(self._memory, np.float64, column.size, column.start)
        ends = np.frombuffer(self._memory, np.int64, self._rows, column.ends)
        return numbers, ends, np.frombuffer(self._memory, np.bool_, self._rows, column.content)

    def _distinct_values(self, column: Column) -> list[Any]:
        ends = np.frombuffer(self._memory, np.int64, column.distinct, column.ends).tolist()
        content = self._memory[column.content : column.content + column.size]
        if column.form == "bytes":
            return [content[start:end] for start, end in pairwise([0, *ends])]
        text = content.decode()
        if len(text) == len(content):
            # One byte a character: cut as it is.
            return [text[start:end] for start, end in pairwise([0, *ends])]
        return [content[start:end].decode() for start, end in pairwise([0, *ends])]

    def _input(self, column: Column, field: FieldSpec) -> Any:
        import pyarrow as pa

        from deployments.data_plane.tables.types.registry import table_type

        kind = table_type(field.dtype)
        if column.form == "vectors":
            numbers, ends, missing = self._vectors(column)
            return pa.LargeListArray.from_arrays(np.append(0, ends), pa.array(numbers), mask=pa.array(missing))
        if column.form != "numbers":
            places, values = self._places(column), self._distinct[column.name]
            coded = pa.array(places, mask=places == len(values))
            return pa.DictionaryArray.from_arrays(coded, pa.array(values, kind.arrow)).dictionary_decode()
        doubles = self.tensors[column.name]
        if column.whole is None:
            return arrow_column(doubles, field)
        whole = np.frombuffer(self._memory, np.int64, self._rows, column.whole)
        return kind.of_whole(pa.array(whole, mask=np.isnan(doubles)))
