"""The Open Inference Protocol v2 (KServe, Triton): tensors named after the contract's fields, over REST.

Strings and moments are BYTES, whole numbers INT64, other numbers FP64, BOOL. The protocol knows no missing value: null
in JSON, NaN or an empty string stand for it. https://github.com/kserve/open-inference-protocol
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from data_contracts.spec import FieldSpec
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest
from deployments.data_plane.model import Model

DATATYPES = {
    "string": "BYTES",
    "datetime": "BYTES",
    "date": "BYTES",
    "integer": "INT64",
    "number": "FP64",
    "boolean": "BOOL",
}
# Name, datatype and values of an output tensor.
Output = tuple[str, str, list[Any]]
_WHOLE = {"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
_FLOATS = {"FP32", "FP64"}
# What a field takes: a client on another platform may have only doubles, or no 64-bit integers.
_ACCEPTED = {
    "string": {"BYTES"},
    "datetime": {"BYTES"},
    "date": {"BYTES"},
    "integer": _WHOLE | _FLOATS,
    "number": _WHOLE | _FLOATS,
    "boolean": {"BOOL"},
}


class Tensor(msgspec.Struct):
    """One input: a field's values for all rows."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]
    parameters: dict[str, Any] = {}


class WantedOutput(msgspec.Struct):
    """One output that the client asks for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct):
    """The body of an inference request; without ``outputs`` all are returned."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[WantedOutput] = []


# Longer names for a request are refused: they are kept in the prediction log, once a row.
ID_CHARACTERS = 128

_DECODER = msgspec.json.Decoder(InferRequest)


def decode(body: bytes) -> InferRequest:
    """Decode a request; raises MalformedRequest."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"not a request of the Open Inference Protocol: {error}") from None


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
        columns[tensor.name] = _values(tensor, field)
    lengths = sorted({len(values) for values in columns.values()})
    if len(lengths) != 1 or not lengths[0]:
        raise InvalidRow(0, None, f"inputs must all have the same number of rows, not {lengths or 'none'}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(tensor: Tensor, field: FieldSpec) -> list[Any]:
    if tensor.datatype not in _ACCEPTED[field.dtype]:
        accepted = ", ".join(sorted(_ACCEPTED[field.dtype]))
        raise InvalidRow(0, field.name, f"datatype {tensor.datatype}; a {field.dtype} takes {accepted}")
    rows = tensor.shape[0] if tensor.shape else -1
    if tensor.shape not in ([rows], [rows, 1]) or rows != len(tensor.data):
        raise InvalidRow(0, field.name, f"shape {tensor.shape} with {len(tensor.data)} values; use [rows] or [rows, 1]")
    return [_value(value, field) for value in tensor.data]


def _value(value: Any, field: FieldSpec) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if field.dtype == "integer" and value.is_integer():
            return int(value)
    if value == "" and field.nullable:
        return None
    return value


def tensors_of_row(row: dict[str, Any], model: Model) -> list[dict[str, Any]]:
    """Return a row as the inputs of a request, as JSON holds them."""
    return [
        {"name": field.name, "datatype": DATATYPES[field.dtype], "shape": [1], "data": [row[field.name]]}
        for field in model.contract.inputs
    ]


def outputs_of(model: Model, answers: Sequence[Any], names: Sequence[str]) -> list[Output]:
    """Return the named output tensors, all of shape [rows], in the order of their names."""
    shape = model.serving.answer
    columns = shape.values(np.array(answers))
    outputs = {
        output.name: (output.name, DATATYPES[output.dtype], column.tolist())
        for output, column in zip(shape.outputs, columns, strict=True)
        if output.name in names
    }
    return [outputs[name] for name in names]


def encode(model: Model, outputs: Sequence[Output], request_id: str) -> bytes:
    """Return the answer: the output tensors that were asked for."""
    return msgspec.json.encode(
        {
            "model_name": model.serving.workload,
            "model_version": model.build_id,
            "id": request_id,
            "outputs": [
                {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}
                for name, datatype, data in outputs
            ],
        }
    )


def metadata(model: Model) -> dict[str, Any]:
    """Describe the model: names, datatypes and shapes of inputs and outputs.

    There are no ``versions``: over REST the protocol lists those that have paths of their own, and a build has none.
    """
    inputs = [
        {"name": field.name, "datatype": DATATYPES[field.dtype], "shape": [-1]} for field in model.contract.inputs
    ]
    return {
        "name": model.serving.workload,
        "platform": "onnxruntime_onnx",
        "inputs": inputs,
        "outputs": [
            {"name": output.name, "datatype": DATATYPES[output.dtype], "shape": [-1]}
            for output in model.serving.answer.outputs
        ],
    }


SERVER: dict[str, Any] = {"name": "slipway", "version": "2", "extensions": []}
