"""Thrift's compact protocol without a schema, as far as the footer of a Parquet file uses it.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. What is read is written again
byte for byte, also fields of versions of the format that are not known here.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_LONG = 15


@dataclass
class Struct:
    """Fields by number, each a type of the protocol and its value: an int, a bool, bytes, a List or a Struct."""

    fields: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def get(self, number: int, default: Any = None) -> Any:
        """Return the value of a field, the default if there is none."""
        return self.fields[number][1] if number in self.fields else default

    def put(self, number: int, kind: int, value: Any) -> None:
        """Set a field."""
        self.fields[number] = (kind, value)

    def drop(self, *numbers: int) -> None:
        """Leave fields out, if they are there."""
        for number in numbers:
            self.fields.pop(number, None)


@dataclass
class List:
    """Values of one type of the protocol."""

    kind: int
    items: list[Any]


def read_struct(data: bytes) -> Struct:
    """Return the struct that some bytes hold; ValueError if they hold none."""
    try:
        return _Reader(data).struct()
    except (IndexError, struct.error) as error:
        raise ValueError("not a struct of Thrift's compact protocol") from error


def write_struct(value: Struct) -> bytes:
    """Return a struct as bytes."""
    data = bytearray()
    _write(data, STRUCT, value)
    return bytes(data)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        made = Struct()
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else _unzigzag(self._varint())
            # A field that is a bool has its value in its type, one within a list has a byte.
            made.fields[number] = (kind, kind == TRUE) if kind <= FALSE else (kind, self._value(kind))
        return made

    def _value(self, kind: int) -> Any:
        if kind in (I16, I32, I64):
            return _unzigzag(self._varint())
        if kind == BINARY:
            return self._take(self._varint())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            head = self._byte()
            size = head >> 4
            size = self._varint() if size == _LONG else size
            return List(head & 15, [self._value(head & 15) for _ in range(size)])
        if kind == DOUBLE:
            return struct.unpack("<d", self._take(8))[0]
        if kind in (TRUE, FALSE, BYTE):
            return self._byte()
        raise ValueError(f"type {kind} of Thrift's compact protocol is in no footer of Parquet")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise IndexError("the bytes end within a value")
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7


def _write(data: bytearray, kind: int, value: Any) -> None:
    if kind in (I16, I32, I64):
        _write_varint(data, (value << 1) ^ (value >> 63))
    elif kind == BINARY:
        _write_varint(data, len(value))
        data += value
    elif kind == STRUCT:
        _write_fields(data, value)
    elif kind in (LIST, SET):
        size = len(value.items)
        data.append(min(size, _LONG) << 4 | value.kind)
        if size >= _LONG:
            _write_varint(data, size)
        for item in value.items:
            _write(data, value.kind, item)
    elif kind == DOUBLE:
        data += struct.pack("<d", value)
    else:
        data.append(value)


def _write_fields(data: bytearray, value: Struct) -> None:
    before = 0
    for number, (kind, content) in sorted(value.fields.items()):
        kind = (TRUE if content else FALSE) if kind <= FALSE else kind
        if 0 < number - before <= _LONG:
            data.append((number - before) << 4 | kind)
        else:
            data.append(kind)
            _write_varint(data, number << 1)
        if kind > FALSE:
            _write(data, kind, content)
        before = number
    data.append(0)


def _write_varint(data: bytearray, value: int) -> None:
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    data.append(value)


def _unzigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
