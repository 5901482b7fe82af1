"""Columns of text: each different one is checked and made once, whatever the number of its rows."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.tables.table_type import Distinct, TableType, allowed, check_bytes, refuse, refuse_missing

Rule = tuple[NDArray[np.bool_], Callable[[int], str]]


class StringTable(TableType):
    """Short texts."""

    name = "string"
    arrow = pa.string()

    def fits(self, kind: pa.DataType) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

    def checked(self, column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Distinct:
        return distinct(column, field, max_bytes, pa.large_string(), "", _rules)

    def of_graph(self, values: NDArray[Any], field: FieldSpec) -> Any:
        array = pa.array(values, pa.string())
        return array if not field.nullable else pc.if_else(pa.array(values == ""), None, array)


class TextTable(StringTable):
    """Long texts."""

    name = "text"


def distinct(
    column: pa.ChunkedArray,
    field: FieldSpec,
    max_bytes: int,
    kind: pa.DataType,
    nothing: Any,
    rules: Callable[[Any, FieldSpec], Iterator[Rule]],
) -> Distinct:
    """Return a column's different values, of the type ``kind``, all of which keep the rules."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(kind).dictionary_encode()
    coded = column.unify_dictionaries().combine_chunks()
    values = coded.dictionary.cast(kind)
    missing = len(values)
    places: NDArray[np.int32] = coded.indices.cast(pa.int32()).fill_null(missing).to_numpy()
    if values.null_count:
        # A dictionary may name what is missing as well.
        absent = np.append(values.is_null().to_numpy(zero_copy_only=False), True)
        places = np.where(absent, missing, np.arange(missing + 1)).astype(np.int32)[places]
        values = values.fill_null(nothing)
    refuse_missing(places == missing, field)
    for wrong, reason in rules(values, field):
        if wrong.any():
            # What is missing keeps every rule about a value.
            refuse(np.append(wrong, False)[places], field, reason)
    sizes = np.append(pc.binary_length(values).to_numpy(), 0)
    check_bytes(int(sizes[places].sum()), max_bytes)
    return Distinct(values, places)


def breaks(condition: Any) -> NDArray[np.bool_]:
    """Return which values do not meet a condition."""
    wrong: NDArray[np.bool_] = ~condition.to_numpy(zero_copy_only=False)
    return wrong


def _rules(texts: pa.LargeStringArray, field: FieldSpec) -> Iterator[Rule]:
    """Yield for each rule of a field which texts break it, and the reason."""
    length = pc.utf8_length(texts)
    if field.min_length is not None:
        yield breaks(pc.greater_equal(length, field.min_length)), lambda row: f"shorter than {field.min_length}"
    if field.max_length is not None:
        yield breaks(pc.less_equal(length, field.max_length)), lambda row: f"longer than {field.max_length}"
    if field.pattern is not None:
        yield breaks(pc.match_substring_regex(texts, field.pattern)), lambda row: f"does not match {field.pattern}"
    if field.allowed:
        yield breaks(pc.is_in(texts, pa.array(field.allowed, texts.type))), lambda row: allowed(field)


TYPES = (StringTable(), TextTable())
