"""The Open Inference Protocol v2 (KServe, Triton): tensors named after the contract's fields, over REST.

Strings and moments are BYTES, whole numbers INT64, other numbers FP64, BOOL; bytes are BYTES (in JSON as base64), and
vectors are matrices of FP64. The protocol knows no missing value: null in JSON, NaN or an empty string stand for it.
Tensors lie in the JSON or, as Triton's clients send them by default, as bytes behind it (``tensor_bytes``).
https://github.com/kserve/open-inference-protocol
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from data_contracts.description.spec import FieldSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, TooManyRows
from deployments.data_plane.formats.tensor_bytes import packed, unpacked
from deployments.data_plane.model import Model

# Name, datatype and values of an output tensor.
Output = tuple[str, str, list[Any]]
# How many bytes of a body are JSON; the rest are tensors.
JSON_LENGTH = "inference-header-content-length"


class Tensor(msgspec.Struct):
    """One input: a field's values for all rows, or the bytes that hold them."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | bytes


class _SentTensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class _WantedOutput(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Sent(msgspec.Struct):
    inputs: list[_SentTensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[_WantedOutput] = []


class InferRequest(msgspec.Struct):
    """An inference request; without ``wanted`` all outputs are returned."""

    inputs: list[Tensor]
    id: str | None
    wanted: list[str]
    # Whether an output is returned as bytes behind the JSON: those that say so themselves, and the others.
    is_binary: Mapping[str, bool]
    binary_by_default: bool


# Longer names for a request are refused: they are kept in the prediction log, once a row.
ID_CHARACTERS = 128

_DECODER = msgspec.json.Decoder(_Sent)


def decode(body: bytes, json_length: str | None = None) -> InferRequest:
    """Decode a request, of which the first ``json_length`` bytes are JSON (None: all); raises MalformedRequest."""
    end = len(body) if json_length is None else _end_of_json(json_length, len(body))
    try:
        sent = _DECODER.decode(body if end == len(body) else memoryview(body)[:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"not a request of the Open Inference Protocol: {error}") from None
    check_parameters(sent.parameters, "the request")
    for tensor in sent.inputs:
        check_parameters(tensor.parameters, f"input {tensor.name}")
    for output in sent.outputs:
        check_parameters(output.parameters, f"output {output.name}")
    return InferRequest(
        inputs=_tensors(sent.inputs, body, end),
        id=sent.id,
        wanted=[output.name for output in sent.outputs],
        is_binary={
            output.name: bool(output.parameters["binary_data"])
            for output in sent.outputs
            if "binary_data" in output.parameters
        },
        binary_by_default=bool(sent.parameters.get("binary_data_output", False)),
    )


def check_parameters(names: Iterable[str], where: str) -> None:
    """Refuse parameters that would change the answer if they were known; raises MalformedRequest."""
    for name in names:
        if name == "classification" or name.startswith(("shared_memory_", "sequence_")):
            raise MalformedRequest(f"{where}: parameter {name} is of an extension that is not served here; see GET /v2")


def _end_of_json(said: str, size: int) -> int:
    # Longer numbers are no length of a body, and slow to read.
    length = int(said) if said.isascii() and said.isdecimal() and len(said) < 16 else -1
    if not 0 < length <= size:
        raise MalformedRequest(f"{JSON_LENGTH} is {said[:40]!r}; the body has {size} bytes, and begins with JSON")
    return length


def _tensors(sent: Sequence[_SentTensor], body: bytes, at: int) -> list[Tensor]:
    """Return the inputs, each with its data or its share of the bytes behind the JSON."""
    tensors = []
    for tensor in sent:
        size, data = tensor.parameters.get("binary_data_size"), tensor.data
        if (size is None) == (data is None):
            raise MalformedRequest(f"input {tensor.name}: give either data or binary_data_size")
        if data is not None:
            tensors.append(Tensor(tensor.name, tensor.datatype, tensor.shape, data))
            continue
        if type(size) is not int or not 0 <= size <= len(body) - at:
            raise MalformedRequest(
                f"input {tensor.name}: binary_data_size is {str(size)[:40]}; {len(body) - at} bytes are left for it "
                f"behind the JSON, whose length stands in the header {JSON_LENGTH}"
            )
        tensors.append(Tensor(tensor.name, tensor.datatype, tensor.shape, body[at : at + size]))
        at += size
    if at != len(body):
        raise MalformedRequest(f"{len(body) - at} bytes behind the JSON belong to no input: binary_data_size says less")
    return tensors


def check_id(request_id: str) -> str:
    """Return a request's id as it was given; raises MalformedRequest if it is too long."""
    if len(request_id) > ID_CHARACTERS:
        raise MalformedRequest(f"the id has {len(request_id)} characters; at most {ID_CHARACTERS}")
    return request_id


def check_outputs(model: Model, wanted: Iterable[str]) -> list[str]:
    """Return the names of the outputs to give, each once, all of them if none is named; raises MalformedRequest."""
    known = [output.name for output in model.serving.answer.outputs]
    names = list(dict.fromkeys(wanted))
    for name in names:
        if name not in known:
            raise MalformedRequest(f"no such output: {name!r}; there are {', '.join(known)}")
    return names or known


def rows_of(inputs: Sequence[Tensor], model: Model) -> list[dict[str, Any]]:
    """Return rows as the JSON interface takes them; raises InvalidRow for tensors that do not fit the contract."""
    fields = {field.name: field for field in model.contract.inputs}
    columns: dict[str, list[Any]] = {}
    for tensor in inputs:
        field = fields.get(tensor.name)
        if field is None:
            raise InvalidRow(0, tensor.name, f"no such input; there are {', '.join(fields)}")
        if tensor.name in columns:
            raise InvalidRow(0, tensor.name, "this input is given twice")
        columns[tensor.name] = _values(tensor, field, model.serving.max_rows)
    lengths = sorted({len(values) for values in columns.values()})
    if len(lengths) != 1 or not lengths[0]:
        raise InvalidRow(0, None, f"inputs must all have the same number of rows, not {lengths or 'none'}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(tensor: Tensor, field: FieldSpec, most: int) -> list[Any]:
    kind = value_type(field.dtype)
    if tensor.datatype not in kind.accepted:
        accepted = ", ".join(sorted(kind.accepted))
        raise InvalidRow(
            0, field.name, f"datatype {tensor.datatype[:40]}; {kind.article} {field.dtype} takes {accepted}"
        )
    rows, each = _shape(tensor, field, kind.shape(field))
    if rows > most:
        raise TooManyRows(f"{rows} rows in one request; at most {most}")
    data = tensor.data
    if isinstance(data, bytes):
        data = unpacked(field.name, tensor.datatype, data, rows * each)
    elif tensor.shape == [rows, 1] and not kind.shape(field):
        # The values of a matrix may be sent row by row.
        data = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in data]
    if kind.shape(field):
        data = _vectors(tensor, field, rows, each, data)
    if rows != len(data):
        raise InvalidRow(0, field.name, f"shape {tensor.shape} with {len(data)} values")
    found = []
    for row, value in enumerate(data):
        try:
            found.append(kind.of_tensor(field, value, tensor.datatype))
        except UnicodeDecodeError:
            raise MalformedRequest(f"input {field.name}: BYTES must be UTF-8") from None
        except ValueError as error:
            raise InvalidRow(row, field.name, str(error)) from None
    return found


def _vectors(tensor: Tensor, field: FieldSpec, rows: int, each: int, data: list[Any]) -> list[Any]:
    """Return the rows of a matrix, which JSON holds row by row (null for a missing one) or as one list of numbers."""
    if all(value is None or isinstance(value, list) for value in data):
        for row, value in enumerate(data):
            if value is not None and len(value) != each:
                raise InvalidRow(row, field.name, f"shape {tensor.shape} with {len(value)} values in a row")
        # No number at all is no row of none.
        return data or [[] for _ in range(0 if each else rows)]
    if len(data) != rows * each:
        raise InvalidRow(0, field.name, f"shape {tensor.shape} with {len(data)} values")
    return [data[at : at + each] for at in range(0, len(data), each)]


def _shape(tensor: Tensor, field: FieldSpec, one: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of rows of a tensor, and of numbers in each of them."""
    shape, rows = tensor.shape, tensor.shape[0] if tensor.shape else -1
    told = f"shape {str(shape)[:80]}; use"
    if one:
        wanted = one[0] if one[0] >= 0 else "numbers"
        if len(shape) != 2 or min(shape) < 0 or (one[0] >= 0 and shape[1] != one[0]):
            raise InvalidRow(0, field.name, f"{told} [rows, {wanted}]")
        return rows, shape[1]
    if rows < 0 or shape not in ([rows], [rows, 1]):
        raise InvalidRow(0, field.name, f"{told} [rows] or [rows, 1]")
    return rows, 1


def tensors_of_row(row: dict[str, Any], model: Model) -> list[dict[str, Any]]:
    """Return a row as the inputs of a request, as JSON holds them."""
    return [
        {
            "name": field.name,
            "datatype": value_type(field.dtype).datatype,
            "shape": [1, *(len(row[field.name] or ()) for _ in value_type(field.dtype).shape(field))],
            "data": [row[field.name]],
        }
        for field in model.contract.inputs
    ]


def outputs_of(model: Model, answers: Sequence[Any], names: Sequence[str]) -> list[Output]:
    """Return the named output tensors, all of shape [rows], in the order of their names."""
    shape = model.serving.answer
    columns = shape.values(np.array(answers))
    outputs = {
        output.name: (output.name, value_type(output.dtype).datatype, column.tolist())
        for output, column in zip(shape.outputs, columns, strict=True)
        if output.name in names
    }
    return [outputs[name] for name in names]


def encode(
    model: Model, outputs: Sequence[Output], request_id: str, binary: Iterable[str] = ()
) -> tuple[bytes, int | None]:
    """Return the answer, and how many of its bytes are JSON if ``binary`` outputs follow behind it (None: all)."""
    described, behind, names = [], [], set(binary)
    for name, datatype, data in outputs:
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(data)]}
        if name in names:
            behind.append(packed(datatype, data))
            tensor["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            tensor["data"] = data
        described.append(tensor)
    head = msgspec.json.encode(
        {
            "model_name": model.serving.workload,
            "model_version": model.build_id,
            "id": request_id,
            "outputs": described,
        }
    )
    return b"".join([head, *behind]), len(head) if behind else None
