"""Bytes of a media type, such as a picture: base64 in JSON, as they are in tensors and columns."""

from typing import Any, ClassVar

import msgspec

from data_contracts.description.spec import FieldSpec
from data_contracts.description.value_type import Schema, ValueType


class Bytes(ValueType):
    """Bytes of a media type, up to a size; what they hold is for a kind to read."""

    name = "bytes"
    python = bytes
    rules = ("media_type", "max_bytes", "media")
    schema: ClassVar[Schema] = {"type": "string", "contentEncoding": "base64"}
    datatype, accepted = "BYTES", frozenset({"BYTES"})
    signature = "binary"
    is_large = True

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        # No bytes are no value of any media type: null says that there is none.
        return {"min_length": 1, "max_length": field.max_bytes}

    def most_bytes(self, field: FieldSpec) -> int:
        return field.max_bytes or 0

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        assert field.max_bytes is not None, "compilation asks for it"
        encoded = 4 * -(-field.max_bytes // 3)
        return {**self.schema, "contentMediaType": field.media_type, "minLength": 4, "maxLength": encoded}

    def told_limits(self, field: FieldSpec) -> list[str]:
        inside = [f"{word.replace('_', ' ')} {limit:,}" for word, limit in field.media]
        return [str(field.media_type), f"at most {field.max_bytes:,} bytes", *inside, "base64"]

    def of_example(self, example: Any) -> Any:
        return msgspec.convert(example, bytes)

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        return None if value in ("", b"") and field.nullable else value


TYPES = (Bytes(),)
