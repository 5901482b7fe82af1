"""The type that the values of a field have: what decodes requests, and whatever else gives a value to a field.

The data plane reads this module, so it imports msgspec alone.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from data_contracts.description.patterns import python_pattern
from data_contracts.description.spec import FieldSpec

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "datetime": datetime,
    "date": date,
}


def annotation(field: FieldSpec) -> Any:
    """Return the type that a field's values must have, as msgspec understands it."""
    if field.allowed:
        kind: Any = Literal[field.allowed]
    else:
        limits = _limits(field)
        kind = Annotated[_TYPES[field.dtype], Meta(**limits)] if limits else _TYPES[field.dtype]
    return kind | None if field.nullable else kind


def decode_value(field: FieldSpec, value: Any) -> Any:
    """Return a value as the field's own type, as a request would have it; ValueError says why it is none of it."""
    if field.dtype == "string" and isinstance(value, date):
        # msgspec would write it as text.
        raise ValueError(f"Expected str, got {type(value).__name__}")
    try:
        decoded = msgspec.convert(value, annotation(field))
    except msgspec.ValidationError as error:
        what = str(error).replace("`", "")
        if what.startswith("Invalid enum value"):
            what = f"{what}; allowed: {', '.join(map(str, field.allowed))}"
        raise ValueError(what) from None
    earliest, latest = field.moment_bounds()
    if decoded is not None and earliest is not None and decoded < earliest:
        raise ValueError(f"before {earliest}")
    if decoded is not None and latest is not None and decoded > latest:
        raise ValueError(f"after {latest}")
    return decoded


def _limits(field: FieldSpec) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if field.dtype in ("integer", "number"):
        limits = {key: value for key in ("ge", "gt", "le", "lt") if (value := getattr(field, key)) is not None}
    if field.dtype == "integer":
        low, high = field.whole_bounds()
        limits = {"ge": low, "le": high}
    if field.dtype == "string":
        limits = {key: value for key in ("min_length", "max_length") if (value := getattr(field, key)) is not None}
        if field.pattern is not None:
            limits["pattern"] = python_pattern(field.pattern)
    if field.dtype == "datetime":
        # The contract's moments are local times: an offset would be dropped in silence, so it is refused.
        limits = {"tz": False}
    return limits
