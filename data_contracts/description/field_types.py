"""The type that the values of a field have: what decodes requests, and whatever else gives a value to a field.

The data plane reads this module, so it imports msgspec alone.
"""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from data_contracts.description.spec import FieldSpec
from data_contracts.description.types.registry import value_type


def annotation(field: FieldSpec) -> Any:
    """Return the type that a field's values must have, as msgspec understands it."""
    kind = value_type(field.dtype)
    limits = {word: limit for word, limit in kind.limits(field).items() if limit is not None}
    if field.allowed:
        python: Any = Literal[field.allowed]
    else:
        python = Annotated[kind.python, Meta(**limits)] if limits else kind.python
    return python | None if field.nullable else python


def decode_value(field: FieldSpec, value: Any) -> Any:
    """Return a value as the field's own type, as a request would have it; ValueError says why it is none of it."""
    kind = value_type(field.dtype)
    if kind.python is str and isinstance(value, (date, bytes)):
        # msgspec would write it as text.
        raise ValueError(f"Expected str, got {type(value).__name__}")
    try:
        decoded = msgspec.convert(value, annotation(field))
    except msgspec.ValidationError as error:
        what = str(error).replace("`", "")
        if what.startswith("Invalid enum value"):
            what = f"{what}; allowed: {', '.join(map(str, field.allowed))}"
        raise ValueError(what) from None
    fault = kind.fault(field)
    wrong = fault(decoded) if fault and decoded is not None else None
    if wrong:
        raise ValueError(wrong)
    return decoded
