"""Whole numbers of 64 bits, doubles, and yes or no."""

from typing import Any, ClassVar

from data_contracts.description.spec import FieldSpec
from data_contracts.description.value_type import FLOATS, WHOLE, Schema, ValueType

BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def given_bounds(field: FieldSpec) -> dict[str, int | float]:
    """Return the bounds that a field has, by their words."""
    return {word: value for word in BOUNDS if (value := getattr(field, word)) is not None}


class Number(ValueType):
    """A finite double."""

    name = "number"
    python: ClassVar[Any] = float
    rules = tuple(BOUNDS)
    schema: ClassVar[Schema] = {"type": "number"}
    datatype, accepted = "FP64", WHOLE | FLOATS
    signature = "double"
    compared = "number"
    is_ordered = True

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        return given_bounds(field)

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        return {**self.schema, **{BOUNDS[word]: value for word, value in given_bounds(field).items()}}

    def told_limits(self, field: FieldSpec) -> list[str]:
        return [f"{_SIGNS[word]} {value:g}" for word, value in given_bounds(field).items()]

    def made_up(self, field: FieldSpec) -> Any:
        if field.gt is not None or field.lt is not None:
            return None
        least = 0.0 if field.ge is None else max(0.0, field.ge)
        return float(least if field.le is None else min(least, field.le))


class Integer(Number):
    """A whole number of 64 bits."""

    name = "integer"
    article = "an"
    python = int
    schema: ClassVar[Schema] = {"type": "integer"}
    datatype = "INT64"
    signature = "long"

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        low, high = field.whole_bounds()
        return {"ge": low, "le": high}

    def made_up(self, field: FieldSpec) -> Any:
        low, high = field.whole_bounds()
        return min(max(0, low), high)

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        value = super().of_tensor(field, value, datatype)
        return int(value) if isinstance(value, float) and value.is_integer() else value


class Boolean(ValueType):
    """Yes or no."""

    name = "boolean"
    python = bool
    schema: ClassVar[Schema] = {"type": "boolean"}
    datatype, accepted = "BOOL", frozenset({"BOOL"}) | WHOLE | FLOATS
    signature = "boolean"
    compared = "category"

    def made_up(self, field: FieldSpec) -> Any:
        return False

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        value = super().of_tensor(field, value, datatype)
        # Only a client without booleans sends numbers for them.
        return bool(value) if datatype != "BOOL" and value in (0, 1) else value


TYPES = (Integer(), Number(), Boolean())
