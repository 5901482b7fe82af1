"""Moments without a zone, and days: what is bounded by the first and the last one allowed."""

from datetime import date, datetime
from typing import Any, ClassVar

from data_contracts.description.spec import FieldSpec
from data_contracts.description.value_type import Fault, Schema, ValueType, text


class Moment(ValueType):
    """What moments and days have in common; msgspec knows no bounds of either."""

    rules = ("ge", "gt", "le", "lt")
    datatype, accepted = "BYTES", frozenset({"BYTES"})
    signature = "datetime"
    is_moment = True
    is_ordered = True

    def fault(self, field: FieldSpec) -> Fault | None:
        earliest, latest = field.moment_bounds()
        if earliest is None and latest is None:
            return None

        def found(value: Any) -> str | None:
            if earliest is not None and value < earliest:
                return f"before {earliest}"
            return f"after {latest}" if latest is not None and value > latest else None

        return found

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        # JSON Schema has no bounds for moments: people read the description, programs may read these.
        ends = zip(("x-earliest", "x-latest"), field.moment_bounds(), strict=True)
        return {**self.schema, **{word: end.isoformat() for word, end in ends if end is not None}}

    def told_limits(self, field: FieldSpec) -> list[str]:
        ends = zip("≥≤", field.moment_bounds(), strict=True)
        return [f"{sign} {end.isoformat()}" for sign, end in ends if end is not None]

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        value = text(value)
        return None if value == "" and field.nullable else value


class Datetime(Moment):
    """A moment to the microsecond, in local time."""

    name = "datetime"
    python = datetime
    schema: ClassVar[Schema] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?$"}

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        # The contract's moments are local times: an offset would be dropped in silence, so it is refused.
        return {"tz": False}

    def told_limits(self, field: FieldSpec) -> list[str]:
        return [*super().told_limits(field), "local time, no offset"]

    def made_up(self, field: FieldSpec) -> Any:
        return field.earliest or field.latest or datetime(2000, 1, 1)

    def of_example(self, example: Any) -> Any:
        return datetime.fromisoformat(str(example))


class Date(Moment):
    """A day."""

    name = "date"
    python = date
    schema: ClassVar[Schema] = {"type": "string", "format": "date"}

    def made_up(self, field: FieldSpec) -> Any:
        first, last = field.moment_bounds()
        return first or last or date(2000, 1, 1)

    def of_example(self, example: Any) -> Any:
        return datetime.fromisoformat(str(example)).date()


TYPES = (Datetime(), Date())
