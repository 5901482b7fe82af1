"""Values as the little-endian bytes of the Open Inference Protocol's binary tensors, over REST and gRPC.

A text is preceded by its length in four bytes.
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deployments.data_plane.formats.request import MalformedRequest

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
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    # NumPy knows no bfloat16: it is the upper half of a float32.
    "BF16": "<u2",
}
DATATYPES = ("BYTES", *_RAW)


def unpacked(name: str, datatype: str, raw: bytes, count: int) -> list[Any]:
    """Return the values of an input tensor, those of BYTES as bytes; MalformedRequest if they are not ``count``."""
    if datatype == "BYTES":
        return list(_each(name, raw, count))
    dtype = np.dtype(_RAW[datatype])
    if len(raw) != count * dtype.itemsize:
        raise MalformedRequest(
            f"input {name}: {len(raw)} raw bytes for {count} values of {datatype}, which has {dtype.itemsize} bytes"
        )
    if datatype == "BOOL" and raw.strip(b"\x00\x01"):
        raise MalformedRequest(f"input {name}: a raw BOOL is a byte of 0 or 1")
    numbers: Any = np.frombuffer(raw, dtype=dtype)
    if datatype == "BF16":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    values: list[Any] = numbers.tolist()
    return values


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    """Return the values of an output tensor as bytes."""
    if datatype == "BYTES":
        texts = (value.encode() for value in values)
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, dtype=_RAW[datatype]).tobytes()


def _each(name: str, raw: bytes, count: int) -> Iterator[bytes]:
    at = 0
    for _ in range(count):
        if at + 4 > len(raw):
            raise MalformedRequest(f"input {name}: raw bytes end within a length")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise MalformedRequest(f"input {name}: raw bytes end within a string of {length} bytes")
        yield raw[at : at + length]
        at += length
    if at != len(raw):
        raise MalformedRequest(f"input {name}: {len(raw) - at} raw bytes more than its {count} strings have")
