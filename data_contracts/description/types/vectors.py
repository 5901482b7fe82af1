"""Vectors: finite doubles in order, of a fixed or a bounded number, such as an embedding or a reading of sensors."""

import math
import struct
from typing import Any, ClassVar

from data_contracts.description.spec import FieldSpec
from data_contracts.description.value_type import FLOATS, WHOLE, Fault, Schema, ValueType


class Vector(ValueType):
    """Finite numbers in order; ``min_length`` and ``max_length`` count them."""

    name = "vector"
    python = list[float]
    rules = ("min_length", "max_length")
    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "number"}}
    datatype, accepted = "FP64", WHOLE | FLOATS
    # MLflow has arrays of a type, but its check refuses what the contract takes (integers among doubles).
    signature = "any"
    is_large = True

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        return {"min_length": field.min_length or 0, "max_length": field.max_length}

    def fault(self, field: FieldSpec) -> Fault | None:
        # JSON has only finite numbers, a tensor has others.
        return lambda value: None if all(map(math.isfinite, value)) else "has a number that is not finite"

    def most_bytes(self, field: FieldSpec) -> int:
        return 8 * (field.max_length or 0)

    def to_bytes(self, value: Any) -> bytes:
        return struct.pack(f"<{len(value)}d", *value)

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        return {**self.schema, "minItems": field.min_length or 0, "maxItems": field.max_length}

    def told_limits(self, field: FieldSpec) -> list[str]:
        low, high = field.min_length or 0, field.max_length
        return [f"{high} numbers" if low == high else f"{low} to {high} numbers"]

    def made_up(self, field: FieldSpec) -> Any:
        return [0.0] * (field.min_length or 0)

    def shape(self, field: FieldSpec) -> tuple[int, ...]:
        return (field.max_length if field.max_length is not None and field.min_length == field.max_length else -1,)

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        missing = isinstance(value, list) and value and all(isinstance(one, float) and one != one for one in value)
        # A tensor has no other way to say that there is none.
        return None if missing and field.nullable else value


TYPES = (Vector(),)
