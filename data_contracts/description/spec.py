"""What a contract compiles to: a plain description of a row that every other form is made from.

It is stored in each build as ``contract.json`` and read by the data plane, so this module imports msgspec alone.
"""

import math
from datetime import date, datetime
from typing import Literal

import msgspec

# The name of a type in ``types``.
DType = str
Role = Literal["label", "time", "group", "slice", "pii", "identifier"]


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field: its type, what it may hold, what it means and when it is known."""

    name: str
    dtype: DType
    description: str
    nullable: bool = False
    # Bounds of numbers. Whole ones stay whole: a large integer is not itself any more as a float.
    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None
    # Bounds of moments, both inclusive; those of a date are midnight.
    earliest: datetime | None = None
    latest: datetime | None = None
    # Characters of a text, numbers of a vector.
    min_length: int | None = None
    max_length: int | None = None
    # Of bytes and of long text: a type, or all of one, such as image/*.
    media_type: str | None = None
    max_bytes: int | None = None
    # Limits of what the bytes hold, by the words of their media type, such as max_width.
    media: tuple[tuple[str, int], ...] = ()
    pattern: str | None = None
    allowed: tuple[str | int, ...] = ()
    unit: str = ""
    roles: tuple[Role, ...] = ()
    # "after": known only once the label is; never a feature, never part of a request.
    available: Literal["before", "after"] = "before"
    # As JSON has it: base64 for bytes.
    example: str | int | float | bool | tuple[float, ...] | None = None

    def moment_bounds(self) -> tuple[date | None, date | None]:
        """Return the first and the last moment allowed, as the field's own type; None for no bound."""
        first, last = self.earliest, self.latest
        if self.dtype == "date":
            return first and first.date(), last and last.date()
        return first, last

    def whole_bounds(self) -> tuple[int, int]:
        """Return the smallest and the largest integer allowed, inside the 64 bits that every store of it has."""
        low, high = -(2**63), 2**63 - 1
        if self.ge is not None:
            low = max(low, math.ceil(self.ge))
        if self.gt is not None:
            low = max(low, math.floor(self.gt) + 1)
        if self.le is not None:
            high = min(high, math.floor(self.le))
        if self.lt is not None:
            high = min(high, math.ceil(self.lt) - 1)
        return low, high


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset-level expectation: a Great Expectations class name and its arguments."""

    expectation: str
    arguments: dict[str, object] = {}


class ContractSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole contract: fields in order, dataset-level expectations, tolerated share of refused rows."""

    name: str
    description: str
    fields: tuple[FieldSpec, ...]
    expectations: tuple[Expectation, ...] = ()
    quarantine_tolerance: float = 0.0

    def field(self, name: str) -> FieldSpec:
        """Return the field of that name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def with_role(self, role: Role) -> tuple[FieldSpec, ...]:
        """Return the fields that carry a role."""
        return tuple(field for field in self.fields if role in field.roles)

    @property
    def label(self) -> FieldSpec:
        """The field to be predicted."""
        return self.with_role("label")[0]

    @property
    def inputs(self) -> tuple[FieldSpec, ...]:
        """The fields known before the label: what a request holds and all that a feature may use."""
        return tuple(field for field in self.fields if field.available == "before" and "label" not in field.roles)


def read_contract(data: bytes) -> ContractSpec:
    """Decode a contract.json."""
    return msgspec.json.decode(data, type=ContractSpec)
