"""A table's columns against the contract: first names and types, for which nothing is unpacked, then every value."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_contracts.description.spec import ContractSpec, FieldSpec
from deployments.data_plane.formats.request import InvalidRow
from deployments.data_plane.protocol import BodyTooLarge

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
# The length in a view's 16 bytes; the rest is a place, or the text itself.
_VIEW = 4


class Texts(NamedTuple):
    """A column of text: its different texts, and the place of each row's among them; one beyond the last is ""."""

    distinct: pa.LargeStringArray
    places: NDArray[np.int32]


class Numbers(NamedTuple):
    """A column of numbers as doubles, NaN for missing, and as whole ones where a double would round some of them."""

    doubles: NDArray[np.float64]
    whole: NDArray[np.int64] | None = None


Checked = dict[str, Numbers | Texts]

# Up to here every whole number is a double.
_EXACT = 2**53


def check_schema(schema: pa.Schema, contract: ContractSpec) -> None:
    """Refuse columns that the contract does not know, or of a type that none of its values have; raises InvalidRow."""
    fields = {field.name: field for field in contract.inputs}
    afterwards = {field.name for field in contract.fields} - fields.keys()
    seen: set[str] = set()
    for column in schema:
        if column.name not in fields:
            reason = "known only after the outcome; leave it out" if column.name in afterwards else "unknown field"
            raise InvalidRow(0, column.name, reason)
        if column.name in seen:
            raise InvalidRow(0, column.name, "the column stands twice")
        seen.add(column.name)
        if not _fits(column.type, fields[column.name]):
            raise InvalidRow(0, column.name, f"a column of {column.type} is not {fields[column.name].dtype}")
    for name in fields:
        if name not in seen:
            raise InvalidRow(0, name, "missing")


def _fits(kind: pa.DataType, field: FieldSpec) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        # No value at all: whether one may be missing is asked later.
        return True
    match field.dtype:
        case "string":
            return is_text(kind)
        case "datetime" | "date":
            return (pa.types.is_timestamp(kind) and kind.tz is None) or pa.types.is_date(kind)
        case "boolean":
            return bool(pa.types.is_boolean(kind))
        case "integer":
            return bool(pa.types.is_integer(kind))
        case _:
            return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's three of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def check_columns(batch: pa.RecordBatch, max_bytes: int) -> None:
    """Refuse columns whose buffers are not what they should be: lengths, offsets, places in a dictionary, UTF-8.

    Raises an Arrow exception, or BodyTooLarge for texts that are one text very many times.
    """
    batch.validate()
    for column in batch.columns:
        values = column.dictionary if pa.types.is_dictionary(column.type) else column
        if pa.types.is_string_view(values.type):
            # Before the full check, which would read each text as often as it is named.
            _check_views(values, max_bytes)
    batch.validate(full=True)


def _check_views(views: pa.StringViewArray, max_bytes: int) -> None:
    """Refuse views that are too large when written out: many may name the same bytes."""
    buffer = views.buffers()[1]
    if buffer is None:
        return
    lengths = np.frombuffer(buffer, np.int32, buffer.size // 4)[::_VIEW][views.offset :][: len(views)]
    # What lies under a missing value is never read.
    present = views.is_valid().to_numpy(zero_copy_only=False)
    _check_bytes(int(lengths[present[: len(lengths)]].sum(dtype=np.int64)), max_bytes)


def _check_bytes(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise BodyTooLarge(f"the texts of one column have {size} bytes when written out; at most {max_bytes}")


def checked(table: pa.Table, contract: ContractSpec, max_bytes: int) -> Checked:
    """Return a table's values as the graph takes them; its schema and its buffers have been checked before.

    InvalidRow names the first row and field that break the contract.
    """
    if not table.num_rows:
        raise InvalidRow(0, None, "the table holds no row")
    return {field.name: _values(table.column(field.name), field, max_bytes) for field in contract.inputs}


def check_table(table: pa.Table, contract: ContractSpec, max_bytes: int = 1 << 30) -> Checked:
    """Return the checked values of a table in memory; raises InvalidRow."""
    check_schema(table.schema, contract)
    for batch in table.to_batches():
        check_columns(batch, max_bytes)
    return checked(table, contract, max_bytes)


def _values(column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Numbers | Texts:
    if field.dtype == "string":
        return _texts(column, field, max_bytes)
    try:
        values = _cast(column.combine_chunks(), field)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidRow(0, field.name, f"a column of {column.type} is not {field.dtype}") from None
    missing = values.is_null().to_numpy(zero_copy_only=False)
    _refuse_missing(missing, field)
    whole = _whole(values)
    if field.dtype in ("datetime", "date"):
        _check_moments(values, missing, field)
        values = pc.divide(values.cast(pa.float64(), safe=False), 1_000_000.0)
    # Beyond 2^53 a double rounds, as it does in training.
    doubles: NDArray[np.float64] = values.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy()
    _refuse(~np.isfinite(doubles) & ~missing, field, lambda row: f"{doubles[row]} is not finite; send null if unknown")
    _check_bounds(doubles, field)
    return Numbers(doubles, whole)


def _cast(column: pa.Array, field: FieldSpec) -> pa.Array:
    """Return a column as integers, doubles, or, of moments, as whole microseconds since 1970-01-01."""
    if field.dtype in ("datetime", "date"):
        return column.cast(pa.timestamp("us")).cast(pa.int64())
    if field.dtype == "integer":
        return column.cast(pa.int64())
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    whole = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
    return whole.cast(pa.float64(), safe=False)


def _whole(values: pa.Array) -> NDArray[np.int64] | None:
    """Return integers, 0 for missing, if one of them is no double."""
    if not pa.types.is_integer(values.type):
        return None
    ends = pc.min_max(values).as_py()
    if all(end is None or abs(end) <= _EXACT for end in ends.values()):
        return None
    whole: NDArray[np.int64] = values.fill_null(0).to_numpy()
    return whole


def _check_moments(micros: Any, missing: NDArray[np.bool_], field: FieldSpec) -> None:
    """Compare moments as whole numbers: as seconds, two that lie close together in a far year are the same."""
    moments: NDArray[np.int64] = micros.fill_null(0).to_numpy(zero_copy_only=False)
    if field.dtype == "date":
        _refuse(moments % _DAY != 0, field, lambda row: "a date has no time of day")
    years = "not in the years 1 to 9999"
    earliest, latest = field.moment_bounds()
    lows = [(datetime.min, years), (field.earliest, f"before {earliest}")]
    highs = [(datetime.max, years), (field.latest, f"after {latest}")]
    for ends, extreme, beyond in ((lows, moments.min(), np.less), (highs, moments.max(), np.greater)):
        for end, reason in ends:
            limit = None if end is None else (end - _EPOCH) // _MICROSECOND
            # Nearly always good: one look at the smallest and the largest saves those at every row.
            if limit is not None and beyond(extreme, limit):
                _refuse(beyond(moments, limit) & ~missing, field, partial(_told, reason))


def _told(reason: str, row: int) -> str:
    return reason


def _check_bounds(numbers: NDArray[np.float64], field: FieldSpec) -> None:
    for key, sign, bad in (
        ("ge", ">=", np.less),
        ("gt", ">", np.less_equal),
        ("le", "<=", np.greater),
        ("lt", "<", np.greater_equal),
    ):
        limit = getattr(field, key)
        if limit is not None:
            _refuse(bad(numbers, limit), field, partial(_beyond, numbers, f"{sign} {limit:g}"))
    if field.allowed:
        _refuse(~np.isin(numbers, field.allowed) & ~np.isnan(numbers), field, lambda row: _allowed(field))


def _beyond(numbers: NDArray[np.float64], limit: str, row: int) -> str:
    return f"{numbers[row]:g} is not {limit}"


def _texts(column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Texts:
    """Return a column's texts; each different one is checked and made once, whatever the number of its rows."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    coded = column.unify_dictionaries().combine_chunks()
    distinct = coded.dictionary.cast(pa.large_string())
    missing = len(distinct)
    places: NDArray[np.int32] = coded.indices.cast(pa.int32()).fill_null(missing).to_numpy()
    if distinct.null_count:
        # A dictionary may name what is missing as well.
        absent = np.append(distinct.is_null().to_numpy(zero_copy_only=False), True)
        places = np.where(absent, missing, np.arange(missing + 1)).astype(np.int32)[places]
        distinct = distinct.fill_null("")
    _refuse_missing(places == missing, field)
    for wrong, reason in _text_checks(distinct, field):
        if wrong.any():
            # What is missing keeps every rule about a text.
            _refuse(np.append(wrong, False)[places], field, reason)
    sizes = np.append(pc.binary_length(distinct).to_numpy(), 0)
    _check_bytes(int(sizes[places].sum()), max_bytes)
    return Texts(distinct, places)


def _text_checks(
    texts: pa.LargeStringArray, field: FieldSpec
) -> Iterator[tuple[NDArray[np.bool_], Callable[[int], str]]]:
    """Yield for each rule of a field which texts break it, and the reason."""

    def breaks(condition: Any) -> NDArray[np.bool_]:
        wrong: NDArray[np.bool_] = ~condition.to_numpy(zero_copy_only=False)
        return wrong

    length = pc.utf8_length(texts)
    if field.min_length is not None:
        yield breaks(pc.greater_equal(length, field.min_length)), lambda row: f"shorter than {field.min_length}"
    if field.max_length is not None:
        yield breaks(pc.less_equal(length, field.max_length)), lambda row: f"longer than {field.max_length}"
    if field.pattern is not None:
        yield breaks(pc.match_substring_regex(texts, field.pattern)), lambda row: f"does not match {field.pattern}"
    if field.allowed:
        yield breaks(pc.is_in(texts, pa.array(field.allowed, texts.type))), lambda row: _allowed(field)


def _allowed(field: FieldSpec) -> str:
    return f"not one of the allowed values: {', '.join(str(value) for value in field.allowed)}"


def _refuse_missing(missing: NDArray[np.bool_], field: FieldSpec) -> None:
    if not field.nullable:
        _refuse(missing, field, lambda row: "missing; required")


def _refuse(wrong: NDArray[np.bool_], field: FieldSpec, reason: Callable[[int], str]) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidRow(row, field.name, reason(row))
