"""The base of every contract: a pydantic model whose fields also say their role, unit and when they are known.

class Flight(Contract):
    carrier: str = column("IATA code of the airline", max_length=2, roles=("slice",))
    late: bool = column("Arrived more than 15 minutes late", roles=("label",), available="after")

A field is text, a number, yes or no, a moment or a day; or bytes of a media type, long text, or a vector of numbers:

class Visit(Contract):
    photo: bytes = column("Of the skin", media_type="image/*", max_bytes=1_000_000, media={"min_width": 64})
    letter: str = column("What the doctor wrote", media_type="text/plain", max_length=20_000)
    pulse: list[float] = column("A beat a second", min_length=60, max_length=60)

A column whose name Python does not take has it as ``source_name``: the field is called so everywhere but in the class.

class Flower(Contract):
    sepal_length: float = column("Of the sepal", source_name="sepal length (cm)")
"""

import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from data_contracts.description.spec import ContractSpec, Expectation, Role
from data_contracts.language.compilation import spec_of
from data_contracts.language.types.strings import pattern_fault

Bound = int | float | date | datetime


def column(
    description: str,
    *,
    roles: tuple[Role, ...] = (),
    available: Literal["before", "after"] = "before",
    unit: str = "",
    example: str | int | float | bool | Sequence[float] | None = None,
    ge: Bound | None = None,
    gt: Bound | None = None,
    le: Bound | None = None,
    lt: Bound | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    media_type: str | None = None,
    max_bytes: int | None = None,
    media: Mapping[str, int] | None = None,
    source_name: str | None = None,
    **unknown: Any,
) -> Any:
    """Declare one field of a contract; the rules are pydantic's own.

    What is wrong here is said by ``Contract.spec``, which knows the name of the field.
    """
    extra: dict[str, Any] = {"roles": roles, "available": available, "unit": unit, "example": example}
    extra |= {"unknown": unknown} if unknown else {}
    if pattern is not None and pattern_fault(pattern):
        # pydantic would refuse the whole class, without saying which part of the pattern engines disagree on.
        extra, pattern = {**extra, "pattern": pattern}, None
    extra |= {"source_name": source_name} if source_name is not None else {}
    alias = source_name if isinstance(source_name, str) else None
    own = {"media_type": media_type, "max_bytes": max_bytes, "media": media}
    extra |= {word: value for word, value in own.items() if value is not None}
    if max_length is None and type(max_bytes) is int and max_bytes > 0:
        # As pydantic calls it.
        max_length = max_bytes
    rules = {"ge": ge, "gt": gt, "le": le, "lt": lt, "min_length": min_length, "max_length": max_length}
    given: dict[str, Any] = {key: rule for key, rule in {**rules, "pattern": pattern}.items() if rule is not None}
    return Field(description=description, json_schema_extra={"slipway": extra}, alias=alias, **given)


class Contract(BaseModel):
    """What one row must be. Subclass it, one class per data set, in ``data_contracts/<workload>.py``."""

    # Strict: a number in quotes is text here, in the row checks and in a request alike.
    # Numbers must be finite everywhere: NaN has no JSON and means "missing" to the recipe.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=True, val_json_bytes="base64", ser_json_bytes="base64"
    )

    quarantine_tolerance: ClassVar[float] = 0.0
    expectations: ClassVar[tuple[Expectation, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _as_sent(cls, value: Any, info: ValidationInfo) -> Any:
        """Read values as requests are read, where pydantic reads more: `true` as 1, other texts as moments or bytes."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        for kind in (annotation, *typing.get_args(annotation)):
            if typing.get_origin(kind) is Literal and value is not None and type(value) not in (int, str):
                raise ValueError(f"{value!r} is none of the allowed values, which are written {typing.get_args(kind)}")
            if kind in (date, datetime, bytes) and info.mode == "json" and isinstance(value, str):
                return msgspec.convert(value, kind)
        return value

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """Refuse what no column can hold: a zone in a contract's zone-less time, a larger integer; and no bytes."""
        if isinstance(value, datetime) and value.tzinfo is not None:
            raise ValueError("a contract's times have no zone: send the local time without an offset")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("an integer has at most 64 bits")
        if value == b"":
            raise ValueError("no bytes are no value: null says that there is none")
        return value

    @classmethod
    def spec(cls) -> ContractSpec:
        """Compile the class to the plain description that every other form is made from.

        Raises TypeError for a declaration that cannot be compiled.
        """
        return spec_of(cls, Contract)
