"""The base of every contract: a pydantic model whose fields also say their role, unit and when they are known.

class Flight(Contract):
    carrier: str = column("IATA code of the airline", max_length=2, roles=("slice",))
    late: bool = column("Arrived more than 15 minutes late", roles=("label",), available="after")
"""

import types
import typing
from datetime import date, datetime
from typing import Any, ClassVar, Literal

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from data_contracts.expectation_arguments import check_expectations
from data_contracts.spec import ContractSpec, DType, Expectation, FieldSpec, Role, disputed

_DTYPES: dict[type, DType] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    datetime: "datetime",
    date: "date",
}


def column(
    description: str,
    *,
    roles: tuple[Role, ...] = (),
    available: Literal["before", "after"] = "before",
    unit: str = "",
    example: str | int | float | bool | None = None,
    **constraints: Any,
) -> Any:
    """Declare one field of a contract.

    ``constraints`` are pydantic's own: ge, gt, le, lt, min_length, max_length, pattern.
    """
    extra: dict[str, Any] = {"roles": roles, "available": available, "unit": unit, "example": example}
    # Numbers must be finite everywhere: NaN has no JSON and means "missing" to the recipe.
    return Field(description=description, json_schema_extra={"slipway": extra}, **constraints)


class Contract(BaseModel):
    """What one row must be. Subclass it, one class per data set, in ``data_contracts/<workload>.py``."""

    # Strict: a number in quotes is text here, in the row checks and in a request alike.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    quarantine_tolerance: ClassVar[float] = 0.0
    expectations: ClassVar[tuple[Expectation, ...]] = ()

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """Refuse what no column can hold: a zone in a contract's zone-less time, an integer of more than 64 bits."""
        if isinstance(value, datetime) and value.tzinfo is not None:
            raise ValueError("a contract's times have no zone: send the local time without an offset")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("an integer has at most 64 bits")
        return value

    @classmethod
    def spec(cls) -> ContractSpec:
        """Compile the class to the plain description that every other form is made from.

        Raises TypeError for a declaration that cannot be compiled.
        """
        fields = tuple(_field_spec(name, info) for name, info in cls.model_fields.items())
        labels = [field.name for field in fields if "label" in field.roles]
        if len(labels) != 1:
            raise TypeError(f"{cls.__name__} has {len(labels)} label fields {labels}; a contract has exactly one")
        check_expectations(cls.expectations, fields, cls.__name__)
        return ContractSpec(
            name=cls.__name__,
            description=(cls.__doc__ or "").strip(),
            fields=fields,
            expectations=cls.expectations,
            quarantine_tolerance=cls.quarantine_tolerance,
        )


def _field_spec(name: str, info: FieldInfo) -> FieldSpec:
    dtype, nullable, allowed = _unwrap(name, info.annotation)
    extra = info.json_schema_extra
    declared: dict[str, Any] = dict(extra.get("slipway", {})) if isinstance(extra, dict) else {}  # type: ignore[arg-type]
    constraints: dict[str, Any] = {}
    for meta in info.metadata:
        for key, kind in (
            ("ge", annotated_types.Ge),
            ("gt", annotated_types.Gt),
            ("le", annotated_types.Le),
            ("lt", annotated_types.Lt),
            ("min_length", annotated_types.MinLen),
            ("max_length", annotated_types.MaxLen),
        ):
            if isinstance(meta, kind):
                constraints[key] = getattr(meta, key)
        if getattr(meta, "pattern", None):
            if part := disputed(meta.pattern):
                raise TypeError(
                    f"field {name}: engines disagree on '{part}' in the pattern {meta.pattern}; write the characters "
                    "out, for instance [0-9A-Za-z_]"
                )
            constraints["pattern"] = meta.pattern
    return FieldSpec(
        name=name,
        dtype=dtype,
        description=info.description or "",
        nullable=nullable,
        allowed=allowed,
        roles=tuple(declared.get("roles", ())),
        available=declared.get("available", "before"),
        unit=declared.get("unit", ""),
        example=declared.get("example"),
        **constraints,
    )


def _unwrap(name: str, annotation: Any) -> tuple[DType, bool, tuple[str | int, ...]]:
    nullable = False
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        nullable = len(members) < len(typing.get_args(annotation))
        if len(members) != 1:
            raise TypeError(f"field {name}: {annotation} is a union; a field has one type, or that type and None")
        annotation = members[0]
    if typing.get_origin(annotation) is Literal:
        allowed = typing.get_args(annotation)
        kinds = {type(value) for value in allowed}
        if kinds == {str} or kinds == {int}:
            return _DTYPES[kinds.pop()], nullable, allowed
        raise TypeError(f"field {name}: allowed values must be all strings or all integers, not {allowed}")
    if annotation not in _DTYPES:
        known = ", ".join(kind.__name__ for kind in _DTYPES)
        raise TypeError(f"field {name}: type {annotation} is not one of {known}")
    return _DTYPES[annotation], nullable, ()
