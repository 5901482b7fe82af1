"""Many rows at once as columns: Arrow IPC or Parquet in, either out, checked against the contract by column.

pyarrow is imported when the first such request comes, not when the service starts.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import ServingError
from data_contracts.spec import ContractSpec, FieldSpec
from deployments.data_plane.formats.arrow_columns import arrow_type, arrow_values
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, TooManyRows
from deployments.data_plane.model import Model

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
FORMATS = (ARROW, PARQUET)
# Where a table of one row can be had.
EXAMPLES = {"/v1/score/example.arrow": ARROW, "/v1/score/example.parquet": PARQUET}

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND

Columns = dict[str, NDArray[Any]]


def read_table(body: bytes, content_type: str, max_rows: int) -> Any:
    """Return the table in a body; raises MalformedRequest or TooManyRows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if content_type == PARQUET:
            file = pq.ParquetFile(pa.BufferReader(body))
            # Asked of the footer: a small body can hold very many rows.
            _check_rows(file.metadata.num_rows, max_rows)
            return file.read()
        batches: list[Any] = []
        with pa.ipc.open_stream(body) as stream:
            for batch in stream:
                batches.append(batch)
                _check_rows(sum(len(part) for part in batches), max_rows)
            return pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError) as error:
        raise MalformedRequest(f"the body is not {content_type}: {' '.join(str(error).split())[:200]}") from None


def _check_rows(rows: int, limit: int) -> None:
    if rows > limit:
        raise TooManyRows(f"{rows} rows in one table; at most {limit}")


def columns_of(table: Any, contract: ContractSpec) -> Columns:
    """Return the graph's input tensors of a table; InvalidRow names the first row and field that break the contract."""
    fields = {field.name: field for field in contract.inputs}
    afterwards = {field.name for field in contract.fields} - fields.keys()
    for name in table.column_names:
        if name not in fields:
            reason = "known only after the outcome; leave it out" if name in afterwards else "unknown field"
            raise InvalidRow(0, name, reason)
    for name in fields.keys() - set(table.column_names):
        raise InvalidRow(0, name, "missing")
    if not table.num_rows:
        raise InvalidRow(0, None, "the table holds no row")
    return {name: _tensor(table.column(name).combine_chunks(), field) for name, field in fields.items()}


def inputs_of(table: Any, contract: ContractSpec) -> dict[str, Any]:
    """Return the columns of a table that ``columns_of`` has let in, exactly, in the contract's own types."""
    # A number is a double; a whole one beyond 2^53 is rounded to one, as it is where JSON is decoded.
    return {
        field.name: table.column(field.name).combine_chunks().cast(arrow_type(field), safe=field.dtype != "number")
        for field in contract.inputs
    }


def _tensor(column: Any, field: FieldSpec) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values = _cast(column, field)
    except pa.ArrowException:
        raise InvalidRow(0, field.name, f"a column of {column.type} is not {field.dtype}") from None
    if field.dtype == "string":
        return _text_tensor(values.dictionary_encode(), field)
    missing = values.is_null().to_numpy(zero_copy_only=False)
    _refuse_missing(missing, field)
    if field.dtype in ("datetime", "date"):
        _check_moments(values, missing, field)
        values = pc.divide(values.cast(pa.float64(), safe=False), 1_000_000.0)
    numbers: NDArray[np.float64] = values.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    _refuse(~np.isfinite(numbers) & ~missing, field, lambda row: f"{numbers[row]} is not finite; send null if unknown")
    _check_bounds(numbers, field)
    return numbers


def _cast(column: Any, field: FieldSpec) -> Any:
    """Return a column as the graph's numbers or strings, or, of moments, as whole microseconds since 1970-01-01.

    Raises an Arrow exception if it is of another kind.
    """
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if field.dtype == "string":
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise pa.ArrowTypeError(f"{kind} is not text")
        return column.cast(pa.string())
    if field.dtype in ("datetime", "date"):
        if not (pa.types.is_timestamp(kind) and kind.tz is None) and not pa.types.is_date(kind):
            raise pa.ArrowTypeError(f"{kind} is not a moment without an offset")
        return column.cast(pa.timestamp("us")).cast(pa.int64())
    if field.dtype == "boolean" and not pa.types.is_boolean(kind):
        raise pa.ArrowTypeError(f"{kind} is not boolean")
    is_number = pa.types.is_integer(kind) or (pa.types.is_floating(kind) and field.dtype == "number")
    if field.dtype in ("integer", "number") and not is_number and not pa.types.is_null(kind):
        raise pa.ArrowTypeError(f"{kind} is not a {field.dtype}")
    whole = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
    # Beyond 2^53 a double rounds, as it does in training.
    return whole.cast(pa.float64(), safe=False)


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


def _text_tensor(coded: Any, field: FieldSpec) -> NDArray[Any]:
    """Return strings as objects; each different one is checked and made once, a missing one is ""."""
    distinct = coded.dictionary
    places = coded.indices.fill_null(len(distinct)).to_numpy()
    _refuse_missing(places == len(distinct), field)
    for wrong, reason in _text_checks(distinct, field):
        if wrong.any():
            # What is missing keeps every rule about a text.
            _refuse(np.append(wrong, False)[places], field, reason)
    tensor: NDArray[Any] = np.array([*distinct.to_pylist(), ""], dtype=object)[places]
    return tensor


def _text_checks(texts: Any, field: FieldSpec) -> Iterator[tuple[NDArray[np.bool_], Callable[[int], str]]]:
    """Yield for each rule of a field which texts break it, and the reason."""
    import pyarrow as pa
    import pyarrow.compute as pc

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
        yield breaks(pc.is_in(texts, pa.array(field.allowed))), lambda row: _allowed(field)


def _allowed(field: FieldSpec) -> str:
    return f"not one of the allowed values: {', '.join(str(value) for value in field.allowed)}"


def _refuse_missing(missing: NDArray[np.bool_], field: FieldSpec) -> None:
    if not field.nullable:
        _refuse(missing, field, lambda row: "missing; required")


def _refuse(wrong: NDArray[np.bool_], field: FieldSpec, reason: Callable[[int], str]) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidRow(row, field.name, reason(row))


def write_answers(model: Model, answers: NDArray[np.float32], request_id: str, content_type: str) -> bytes:
    """Return a table in a format, with the numbers of each row, and the decision if there is one."""
    import pyarrow as pa

    if not np.isfinite(answers).all():
        raise ServingError(f"build {model.build_id} answered with something that is not a number")
    shape = model.serving.answer
    columns = [pa.array(np.ascontiguousarray(column)) for column in shape.values(answers)]
    table = pa.table(columns, names=[output.name for output in shape.outputs])
    return _written(table.replace_schema_metadata({"build": model.build_id, "request_id": request_id}), content_type)


def write_example(model: Model, row: Mapping[str, Any], content_type: str) -> bytes:
    """Return a row as a table in a format, in the contract's types; raises InvalidRow if the contract refuses it."""
    import pyarrow as pa

    fields, (checked,) = model.contract.inputs, model.decoder.check([row])
    columns = [arrow_values([value], field) for value, field in zip(checked, fields, strict=True)]
    return _written(pa.table(columns, names=[field.name for field in fields]), content_type)


def _written(table: Any, content_type: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    if content_type == PARQUET:
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written
