"""From the class of a contract to its plain description; TypeError for what not every judge of a row would keep.

pydantic can declare more than row checks and request decoder know. Such a rule would hold in one place and not in the
others, so it is refused here, before any row is read.
"""

import difflib
import types
import typing
from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data_contracts.description.field_types import decode_value
from data_contracts.description.spec import ContractSpec, Expectation, FieldSpec, Role, read_contract
from data_contracts.description.types.registry import value_type
from data_contracts.language.expectation_arguments import check_expectations
from data_contracts.language.fault import fault
from data_contracts.language.field_names import name_fault
from data_contracts.language.field_rules import OWN_RULES, RULES, rules_of
from data_contracts.language.types.registry import COLUMN_TYPES, column_type

_WORDS = ("roles", "available", "unit", "example", *RULES, *OWN_RULES, "source_name")
# What Slipway writes beside the columns of a contract, under names that people read.
_TAKEN = {
    **dict.fromkeys(("position", "reasons"), "a column of the quarantine file"),
    **dict.fromkeys(("request_id", "row", "answered_at", "build"), "a column of the prediction log"),
    **dict.fromkeys(("values", "codes"), "a tensor of the model's graph"),
    "label": "a column of the features file",
}
_HOOKS = ("__init__", "__get_pydantic_core_schema__", "model_post_init", "_as_sent", "_storable")


def taken_names() -> frozenset[str]:
    """Return the names that no field may have, whatever the label is; ``label`` may be that of the label alone."""
    return frozenset(_TAKEN) | {"probability", "probabilities", "value"}


def spec_of(contract: type[BaseModel], base: type[BaseModel]) -> ContractSpec:
    """Compile a contract; ``base`` is the class whose configuration and validators every judge knows."""
    _refuse_code(contract, base)
    fields = tuple(_field_spec(name, info) for name, info in contract.model_fields.items())
    names = [field.name for field in fields]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{contract.__name__}: more than one field is called {', '.join(map(repr, twice))}")
    labels = [field for field in fields if "label" in field.roles]
    if len(labels) != 1:
        told = [field.name for field in labels]
        raise TypeError(f"{contract.__name__} has {len(labels)} label fields {told}; a contract has exactly one")
    _check_label(labels[0])
    _refuse_taken(fields, labels[0])
    given: dict[str, Any] = {key: getattr(contract, key) for key in ("expectations", "quarantine_tolerance")}
    if not all(isinstance(one, Expectation) for one in given["expectations"]):
        raise TypeError(f"{contract.__name__}: expectations must be a tuple of Expectation")
    check_expectations(given["expectations"], fields, contract.__name__)
    share = given["quarantine_tolerance"]
    if type(share) not in (int, float) or not 0 <= share <= 1:
        raise TypeError(f"{contract.__name__}: quarantine_tolerance is a share from 0 to 1, not {share!r}")
    doc = (contract.__doc__ or "").strip()
    spec = ContractSpec(name=contract.__name__, description=doc, fields=fields, **given)
    try:
        read_contract(msgspec.json.encode(spec))
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise TypeError(f"{contract.__name__} cannot be stored as contract.json: {error}") from error
    return spec


def _refuse_code(contract: type[BaseModel], base: type[BaseModel]) -> None:
    """Raise TypeError for validators, settings and the like, which only pydantic would obey."""
    own, known = contract.__pydantic_decorators__, base.__pydantic_decorators__
    for kind in ("validators", "field_validators", "root_validators", "model_validators", "computed_fields"):
        if more := sorted(getattr(own, kind).keys() - getattr(known, kind).keys()):
            fields = ", ".join(getattr(getattr(own, kind)[more[0]].info, "fields", ()))
            raise TypeError(
                f"{contract.__name__}.{more[0]}{fields and f' (field {fields})'} is code, which row checks and request "
                "decoder cannot run; declare the rule with column(...), or make the column in the source"
            )
    for name in _HOOKS:
        one, other = getattr(contract, name), getattr(base, name)
        if getattr(one, "__func__", one) is not getattr(other, "__func__", other):
            raise TypeError(f"{contract.__name__} replaces {name}, which only pydantic would obey: leave it out")
    changed = {key: value for key, value in contract.model_config.items() if base.model_config.get(key) != value}
    if changed:
        told = ", ".join(f"{key}={value!r}" for key, value in changed.items())
        raise TypeError(f"{contract.__name__}: model_config has {told}, which only pydantic would obey: leave it out")


def _field_spec(name: str, info: FieldInfo) -> FieldSpec:
    extra = info.json_schema_extra
    declared: dict[str, Any] = dict(extra.get("slipway", {})) if isinstance(extra, dict) else {}  # type: ignore[arg-type]
    name = declared.get("source_name", name)
    if wrong := name_fault(name):
        raise fault(ascii(name), wrong)
    own = {word: declared[word] for word in OWN_RULES if word in declared}
    dtype, nullable, allowed = _type_of(name, info.annotation, own)
    _refuse_words(name, info, declared.get("unknown", {}))
    rules = rules_of(name, dtype, info.metadata, own)
    if allowed and rules:
        raise fault(name, f"{next(iter(rules))} beside Literal: write the values that are allowed, and no rule")
    unit, example = declared.get("unit", ""), declared.get("example")
    if not isinstance(unit, str):
        raise fault(name, f"unit={unit!r} is not text")
    if isinstance(example, (list, tuple)) and all(type(one) in (int, float) for one in example):
        example = tuple(map(float, example))
    if not isinstance(example, (str, int, float, bool, tuple, type(None))):
        raise fault(name, f"example={example!r} is no text, number, boolean or list of numbers; write a moment as text")
    field = FieldSpec(
        name=name,
        dtype=dtype,
        description=info.description or "",
        nullable=nullable,
        allowed=allowed,
        roles=_roles(name, dtype, declared.get("roles", ())),
        available=_available(name, declared.get("available", "before")),
        unit=unit,
        example=example,
        **rules,
    )
    if example is not None:
        try:
            decode_value(field, example)
        except ValueError as error:
            raise fault(name, f"example={example!r} is no value of the field: {error}") from error
    return field


def _type_of(name: str, annotation: Any, own: Collection[str]) -> tuple[str, bool, tuple[str | int, ...]]:
    """Return a field's type, whether a value may be missing, and the values that are allowed if they are listed."""
    nullable = False
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        nullable = len(members) < len(typing.get_args(annotation))
        if len(members) != 1:
            raise fault(name, f"{annotation} is a union; a field has one type, or that type and None")
        annotation = members[0]
    if typing.get_origin(annotation) is Literal:
        allowed = typing.get_args(annotation)
        kinds = {type(value) for value in allowed}
        if kinds == {int} and not all(-(2**63) <= value < 2**63 for value in allowed):
            raise fault(name, f"an integer has at most 64 bits, not as many as in {allowed}")
        if kinds == {str} or kinds == {int}:
            return _dtype(name, kinds.pop(), own), nullable, allowed
        raise fault(name, f"allowed values must be all strings or all integers, not {allowed}")
    if typing.get_origin(annotation) is typing.Annotated:
        raise fault(name, f"rules inside a union ({annotation}); give them to column(...)")
    return _dtype(name, annotation, own), nullable, ()


def _dtype(name: str, annotation: Any, own: Collection[str]) -> str:
    """Return the type that is written so; of several the one that has the most of the rules it is given."""
    written = {kind: one for kind, one in COLUMN_TYPES.items() if one.annotation == annotation}
    if not written:
        kinds = dict.fromkeys(getattr(one.annotation, "__name__", "") for one in COLUMN_TYPES.values())
        known = ", ".join("list[float]" if kind == "list" else kind for kind in kinds)
        raise fault(name, f"type {annotation} is not one of {known}")
    return max(written, key=lambda kind: len(set(own) & set(value_type(kind).rules)))


def _refuse_words(name: str, info: FieldInfo, unknown: dict[str, Any]) -> None:
    for word, value in unknown.items():
        advice = f"it takes {', '.join(_WORDS)}"
        if word.startswith("available"):
            advice = f'for what is known only later write available="after"; {advice}'
        elif close := difflib.get_close_matches(word, _WORDS, n=1):
            advice = f"write {close[0]}={value!r}; {advice}"
        raise fault(name, f"column(...) does not take {word}; {advice}")
    if not info.is_required():
        raise fault(name, "a default, which no other judge of a row knows; write `| None` if it may be missing")
    if any(one not in (None, name) for one in (info.alias, info.validation_alias, info.serialization_alias)):
        raise fault(name, "an alias, which no other judge of a row knows; write source_name=... in column(...)")


def _roles(name: str, dtype: str, roles: object) -> tuple[Role, ...]:
    known: tuple[Role, ...] = typing.get_args(Role)
    if isinstance(roles, str):
        raise fault(name, f"roles={roles!r} is one text; roles are a tuple: write roles=({roles!r},)")
    if not isinstance(roles, (tuple, list)):
        raise fault(name, f"roles={roles!r} is not a tuple of {', '.join(known)}")
    if unknown := [role for role in roles if role not in known]:
        raise fault(name, f"unknown role {unknown[0]!r}; known: {', '.join(known)}")
    if "pii" in roles and (shown := [role for role in roles if role in ("slice", "label", "time")]):
        raise fault(name, f"pii and {shown[0]}: what a {shown[0]} holds stands in every report; take one role away")
    if "time" in roles and not value_type(dtype).is_moment:
        raise fault(name, f"the role 'time' is for a datetime or a date, not for type {dtype}")
    if value_type(dtype).is_large and (wrong := [role for role in roles if role not in ("pii", "label")]):
        raise fault(name, f"the role '{wrong[0]}' is for values that tell rows apart at a glance, not for type {dtype}")
    return tuple(roles)


def _available(name: str, available: object) -> Literal["before", "after"]:
    if available in ("before", "after"):
        return available
    raise fault(name, f"available={available!r} is neither 'before' (known when asked) nor 'after' (known later)")


def _refuse_taken(fields: Iterable[FieldSpec], label: FieldSpec) -> None:
    """Raise TypeError for a field that is called like what is written beside it."""
    binary = label.dtype == "boolean" or len(label.allowed) == 2
    answers = ["probability"] if binary else [f"probability_{one}" for one in label.allowed]
    if label.allowed and not binary:
        answers.append("probabilities")
    for field in fields:
        taken = _TAKEN.get(field.name)
        # The answers of the model before it was packaged are kept beside those of the build.
        name = field.name.removeprefix("trainer_").removeprefix("exported_")
        if name in (answers or ["value"]) or (not answers and name.startswith("quantile_")):
            taken = "a column of the answers"
        if taken and not (field is label and field.name == "label"):
            raise fault(
                field.name,
                f"{taken} is called so: give the column another name with source.rename in the workload file",
            )


def _check_label(label: FieldSpec) -> None:
    """Raise TypeError for a label that nothing can be learnt from."""
    if label.nullable:
        raise fault(
            label.name,
            "the label may be missing, and nothing can be learnt from such a row: take `| None` away; rows without an "
            "answer then go to quarantine, as many as quarantine_tolerance allows",
        )
    if wrong := column_type(label.dtype).label_fault(label):
        raise fault(label.name, wrong)
