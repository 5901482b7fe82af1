"""Tensors of the protocol's messages: typed contents or raw little-endian bytes, to and from lists of values."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deployments.data_plane.formats.open_inference import Tensor
from deployments.data_plane.formats.request import MalformedRequest
from deployments.data_plane.grpc_api import open_inference_pb2 as messages

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_RAW = {
    "BOOL": "?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP32": "<f4",
    "FP64": "<f8",
}


def tensors_of(request: messages.ModelInferRequest) -> list[Tensor]:
    """Return the inputs of a request; raises MalformedRequest."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise MalformedRequest(f"{len(raw)} raw_input_contents for {len(request.inputs)} inputs")
    tensors = []
    for index, tensor in enumerate(request.inputs):
        if tensor.datatype not in _CONTENTS:
            raise MalformedRequest(
                f"input {tensor.name}: datatype {tensor.datatype!r} is not one of {', '.join(_CONTENTS)}"
            )
        data = _unpacked(tensor.name, tensor.datatype, raw[index]) if raw else _contents(tensor)
        tensors.append(Tensor(tensor.name, tensor.datatype, list(tensor.shape), data))
    return tensors


def contents_of(datatype: str, values: list[Any]) -> messages.InferTensorContents:
    """Return values as the typed contents of an output."""
    sent = [value.encode() for value in values] if datatype == "BYTES" else values
    return messages.InferTensorContents(**{_CONTENTS[datatype]: sent})


def _contents(tensor: messages.ModelInferRequest.InferInputTensor) -> list[Any]:
    values: Sequence[Any] = getattr(tensor.contents, _CONTENTS[tensor.datatype])
    return [_text(tensor.name, value) for value in values] if tensor.datatype == "BYTES" else list(values)


def _unpacked(name: str, datatype: str, raw: bytes) -> list[Any]:
    if datatype == "BYTES":
        return [_text(name, part) for part in _strings(name, raw)]
    try:
        values: list[Any] = np.frombuffer(raw, dtype=_RAW[datatype]).tolist()
    except ValueError as error:
        raise MalformedRequest(f"input {name}: {error}") from None
    return values


def _strings(name: str, raw: bytes) -> Iterator[bytes]:
    """Yield strings that are each preceded by their length in four little-endian bytes."""
    at = 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise MalformedRequest(f"input {name}: raw bytes end within a length")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise MalformedRequest(f"input {name}: raw bytes end within a string of {length} bytes")
        yield raw[at : at + length]
        at += length


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedRequest(f"input {name}: BYTES must be UTF-8") from None
