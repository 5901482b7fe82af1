"""Text: ``string`` for names, codes and short texts, ``text`` for long ones, which are no categories."""

from typing import Any, ClassVar

from data_contracts.description.patterns import python_pattern, script_pattern
from data_contracts.description.spec import FieldSpec
from data_contracts.description.value_type import Compared, Schema, ValueType, text


class String(ValueType):
    """Short text: a value is a category."""

    name = "string"
    python = str
    rules: ClassVar[tuple[str, ...]] = ("min_length", "max_length", "pattern")
    schema: ClassVar[Schema] = {"type": "string"}
    datatype, accepted = "BYTES", frozenset({"BYTES"})
    signature = "string"
    compared: ClassVar[Compared] = "category"

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        limits = {key: value for key in ("min_length", "max_length") if (value := getattr(field, key)) is not None}
        return limits | ({} if field.pattern is None else {"pattern": python_pattern(field.pattern)})

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        schema = dict(self.schema)
        for key, word in (("min_length", "minLength"), ("max_length", "maxLength")):
            if (value := getattr(field, key)) is not None:
                schema[word] = value
        return schema | ({} if field.pattern is None else {"pattern": script_pattern(field.pattern)})

    def told_limits(self, field: FieldSpec) -> list[str]:
        told = [f"like {field.pattern}"] if field.pattern else []
        if field.max_length is not None:
            told.append(f"{field.min_length or 0} to {field.max_length} characters")
        return told

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        value = text(value)
        return None if value == "" and field.nullable else value


class Text(String):
    """Long text of a media type: what it says is for a model, and no two values are alike."""

    name = "text"
    rules = ("media_type", *String.rules)
    compared = None
    is_large = True

    def most_bytes(self, field: FieldSpec) -> int:
        return 1_000_000 if field.max_length is None else 4 * field.max_length

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value.encode())

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        return {**super().json_schema(field), "contentMediaType": field.media_type}

    def told_limits(self, field: FieldSpec) -> list[str]:
        return [str(field.media_type), *super().told_limits(field)]


TYPES = (String(), Text())
