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

_MICROSECONDS = {"datetime", "date"}


class Table:
    """A table in the memory that its reader has left it in."""

    def __init__(self, done: Done, memory: mmap.mmap) -> None:
        self._rows, self._memory = done.rows, memory
        self._columns = {column.name: column for column in done.columns}
        self._texts = {
            column.name: self._different_texts(column) for column in done.columns if column.texts is not None
        }
        self.tensors = {name: self._tensor(column) for name, column in self._columns.items()}

    def inputs(self, fields: Sequence[FieldSpec]) -> dict[str, Any]:
        """Return Arrow columns of the contract's own types: nothing is rounded, and "" is not null."""
        return {field.name: self._input(self._columns[field.name], field) for field in fields}

    def _tensor(self, column: Column) -> NDArray[Any]:
        if column.texts is None:
            return np.frombuffer(self._memory, np.float64, self._rows, column.start)
        tensor: NDArray[Any] = np.array([*self._texts[column.name], ""], dtype=object)[self._places(column)]
        return tensor

    def _places(self, column: Column) -> NDArray[np.int32]:
        return np.frombuffer(self._memory, np.int32, self._rows, column.start)

    def _different_texts(self, column: Column) -> list[str]:
        ends = np.frombuffer(self._memory, np.int64, column.texts or 0, column.ends).tolist()
        characters = self._memory[column.characters : column.characters + column.size]
        text = characters.decode()
        if len(text) == len(characters):
            # One byte a character: cut as it is.
            return [text[start:end] for start, end in pairwise([0, *ends])]
        return [characters[start:end].decode() for start, end in pairwise([0, *ends])]

    def _input(self, column: Column, field: FieldSpec) -> Any:
        import pyarrow as pa

        if column.texts is not None:
            places, texts = self._places(column), self._texts[column.name]
            coded = pa.array(places, mask=places == len(texts))
            return pa.DictionaryArray.from_arrays(coded, pa.array(texts, pa.string())).dictionary_decode()
        doubles = self.tensors[column.name]
        if column.whole is None:
            return arrow_column(doubles, field)
        whole = pa.array(np.frombuffer(self._memory, np.int64, self._rows, column.whole), mask=np.isnan(doubles))
        if field.dtype not in _MICROSECONDS:
            return whole
        moments = whole.cast(pa.timestamp("us"))
        return moments.cast(pa.date32()) if field.dtype == "date" else moments
