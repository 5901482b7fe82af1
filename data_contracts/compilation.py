"""From the class of a contract to its plain description; TypeError for what not every judge of a row would keep.

pydantic can declare more than row checks and request decoder know. Such a rule would hold in one place and not in the
others, so it is refused here, before any row is read.
"""

import difflib
import math
import re
import types
import typing
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import annotated_types
import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data_contracts.expectation_arguments import check_expectations
from data_contracts.patterns import disputed, python_pattern
from data_contracts.spec import ContractSpec, DType, Expectation, FieldSpec, Role, read_contract

_DTYPES: dict[type, DType] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    datetime: "datetime",
    date: "date",
}
_BOUNDS = ("ge", "gt", "le", "lt")
_RULES: dict[str, type] = {
    "ge": annotated_types.Ge,
    "gt": annotated_types.Gt,
    "le": annotated_types.Le,
    "lt": annotated_types.Lt,
    "min_length": annotated_types.MinLen,
    "max_length": annotated_types.MaxLen,
}
_WORDS = ("roles", "available", "unit", "example", *_RULES, "pattern")
# What Slipway writes beside the columns of a contract, under names that people read.
_TAKEN = {
    **dict.fromkeys(("position", "reasons"), "a column of the quarantine file"),
    **dict.fromkeys(("request_id", "row", "answered_at", "build"), "a column of the prediction log"),
    **dict.fromkeys(("values", "codes"), "a tensor of the model's graph"),
    "label": "a column of the features file",
}
_HOOKS = ("__init__", "__get_pydantic_core_schema__", "model_post_init", "_as_sent", "_storable")


def spec_of(contract: type[BaseModel], base: type[BaseModel]) -> ContractSpec:
    """Compile a contract; ``base`` is the class whose configuration and validators every judge knows."""
    _refuse_code(contract, base)
    fields = tuple(_field_spec(name, info) for name, info in contract.model_fields.items())
    labels = [field for field in fields if "label" in field.roles]
    if len(labels) != 1:
        names = [field.name for field in labels]
        raise TypeError(f"{contract.__name__} has {len(labels)} label fields {names}; a contract has exactly one")
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
    except (msgspec.MsgspecError, TypeError) as error:
        raise TypeError(f"{contract.__name__} cannot be stored as contract.json: {error}") from error
    return spec


def pattern_fault(pattern: object) -> str | None:
    """Return what is wrong with a pattern, None if every engine reads it, and reads it alike."""
    if not isinstance(pattern, str):
        return f"the pattern {pattern!r} is not text"
    if part := disputed(pattern):
        return (
            f"engines disagree on '{part}' in the pattern {pattern}; write the characters out, for instance "
            "[0-9A-Za-z_], and a backslash before one that stands for itself"
        )
    try:
        re.compile(python_pattern(pattern))
        pl.select(pl.lit("").str.contains(pattern))
        pc.match_substring_regex(pa.array([""]), pattern)
    except (re.error, UnicodeError, RecursionError, pl.exceptions.PolarsError, pa.ArrowException) as error:
        return f"the pattern {pattern!r} does not compile: {' '.join(str(error).split())[:200]}"
    return None


def _fault(field: str, text: str) -> TypeError:
    return TypeError(f"field {field}: {text}")


def _refuse_code(contract: type[BaseModel], base: type[BaseModel]) -> None:
    """Raise TypeError for validators, settings and the like, which only pydantic would obey."""
    own, known = contract.__pydantic_decorators__, base.__pydantic_decorators__
    for kind in ("validators", "field_validators", "root_validators", "model_validators", "computed_fields"):
        if more := sorted(getattr(own, kind).keys() - getattr(known, kind).keys()):
            raise TypeError(
                f"{contract.__name__}.{more[0]} is code, which row checks and request decoder cannot run; declare the "
                "rule with column(...), or make the column in the source"
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
    if not name.isidentifier():
        raise _fault(name, "a name has letters, digits and _ alone, and begins with none of the digits")
    dtype, nullable, allowed = _type_of(name, info.annotation)
    extra = info.json_schema_extra
    declared: dict[str, Any] = dict(extra.get("slipway", {})) if isinstance(extra, dict) else {}  # type: ignore[arg-type]
    _refuse_words(name, info, declared.get("unknown", {}))
    rules = _rules(name, info.metadata)
    if "pattern" in declared:
        rules["pattern"] = declared["pattern"]
    if allowed and rules:
        raise _fault(name, f"{next(iter(rules))} beside Literal: write the values that are allowed, and no rule")
    _check_rules(name, dtype, rules)
    if dtype in ("datetime", "date"):
        rules = _moments(name, dtype, rules)
    unit, example = declared.get("unit", ""), declared.get("example")
    if not isinstance(unit, str):
        raise _fault(name, f"unit={unit!r} is not text")
    if not isinstance(example, (str, int, float, bool, type(None))):
        raise _fault(name, f"example={example!r} is no text, number or boolean; write a moment as text")
    return FieldSpec(
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


def _type_of(name: str, annotation: Any) -> tuple[DType, bool, tuple[str | int, ...]]:
    nullable = False
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        nullable = len(members) < len(typing.get_args(annotation))
        if len(members) != 1:
            raise _fault(name, f"{annotation} is a union; a field has one type, or that type and None")
        annotation = members[0]
    if typing.get_origin(annotation) is Literal:
        allowed = typing.get_args(annotation)
        kinds = {type(value) for value in allowed}
        if kinds == {int} and not all(-(2**63) <= value < 2**63 for value in allowed):
            raise _fault(name, f"an integer has at most 64 bits, not as many as in {allowed}")
        if kinds == {str} or kinds == {int}:
            return _DTYPES[kinds.pop()], nullable, allowed
        raise _fault(name, f"allowed values must be all strings or all integers, not {allowed}")
    if typing.get_origin(annotation) is typing.Annotated:
        raise _fault(name, f"rules inside a union ({annotation}); give them to column(...)")
    if annotation not in _DTYPES:
        known = ", ".join(kind.__name__ for kind in _DTYPES)
        raise _fault(name, f"type {annotation} is not one of {known}")
    return _DTYPES[annotation], nullable, ()


def _refuse_words(name: str, info: FieldInfo, unknown: dict[str, Any]) -> None:
    for word, value in unknown.items():
        advice = f"it takes {', '.join(_WORDS)}"
        if close := difflib.get_close_matches(word, _WORDS, n=1):
            advice = f"write {close[0]}={value!r}; {advice}"
        raise _fault(name, f"column(...) does not take {word}; {advice}")
    if not info.is_required():
        raise _fault(name, "a default, which no other judge of a row knows; write `| None` if it may be missing")
    if info.alias or info.validation_alias or info.serialization_alias:
        raise _fault(name, "an alias, which no other judge of a row knows; name the field as the column is named")


def _rules(name: str, metadata: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in _parts(name, metadata):
        if key in found and found[key] != value:
            raise _fault(name, f"{key} is given twice, as {found[key]!r} and as {value!r}")
        found[key] = value
    return found


def _parts(name: str, metadata: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each rule as its word and its value; TypeError for one that is not compiled."""
    for meta in metadata:
        word = next((word for word, kind in _RULES.items() if isinstance(meta, kind)), None)
        if word is not None:
            yield word, getattr(meta, word)
            continue
        if isinstance(meta, annotated_types.GroupedMetadata):
            yield from _parts(name, meta)
            continue
        # pydantic's own: strictness, a pattern, and much that only pydantic knows.
        given = {key: value for key, value in getattr(meta, "__dict__", {}).items() if value is not None}
        if given.keys() <= {"pattern", "strict", "allow_inf_nan"} and given:
            if given.get("strict", True) is not True or given.get("allow_inf_nan", False) is not False:
                raise _fault(name, f"{meta!r} is less strict than the other judges of a row: leave it out")
            yield from (("pattern", given[key]) for key in given if key == "pattern")
            continue
        raise _fault(
            name, f"{meta!r} is a rule that only pydantic knows; known to all are {', '.join(_RULES)} and pattern"
        )


def _check_rules(name: str, dtype: DType, rules: dict[str, Any]) -> None:
    for word, value in rules.items():
        fits = dtype == "string" if word not in _BOUNDS else dtype not in ("string", "boolean")
        if not fits:
            raise _fault(name, f"{word} says nothing about type {dtype}: leave it out")
        if word in _BOUNDS and not _is_bound(value, dtype):
            takes = {"date": "a date", "datetime": "a datetime without a zone"}.get(
                dtype, "a finite number of at most 64 bits"
            )
            raise _fault(name, f"{word}={value!r} of type {dtype} must be {takes}")
        if word.endswith("_length") and (type(value) is not int or value < 0):
            raise _fault(name, f"{word}={value!r} must be a whole number from 0")
        if word == "pattern" and (fault := pattern_fault(value)):
            raise _fault(name, fault)
    for one, other in (("ge", "gt"), ("le", "lt")):
        if one in rules and other in rules:
            raise _fault(name, f"{one}={rules[one]!r} and {other}={rules[other]!r} both bound it: keep one of them")


def _is_bound(value: object, dtype: DType) -> bool:
    if dtype == "datetime":
        return type(value) is datetime and value.tzinfo is None
    if dtype == "date":
        return type(value) is date
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return type(value) is float and math.isfinite(value)


def _moments(name: str, dtype: DType, rules: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of moments as the first and the last one allowed."""
    step = timedelta(days=1) if dtype == "date" else timedelta(microseconds=1)
    found: dict[str, Any] = {}
    for word, value in rules.items():
        moment = datetime.combine(value, time()) if dtype == "date" else value
        try:
            moment += {"gt": step, "lt": -step}.get(word, timedelta())
        except OverflowError as error:
            raise _fault(name, f"{word}={value!r} leaves no {dtype} that could be good") from error
        found["earliest" if word in ("ge", "gt") else "latest"] = moment
    return found


def _roles(name: str, dtype: DType, roles: object) -> tuple[Role, ...]:
    known: tuple[Role, ...] = typing.get_args(Role)
    if isinstance(roles, str):
        raise _fault(name, f"roles={roles!r} is one text; roles are a tuple: write roles=({roles!r},)")
    if not isinstance(roles, (tuple, list)):
        raise _fault(name, f"roles={roles!r} is not a tuple of {', '.join(known)}")
    if unknown := [role for role in roles if role not in known]:
        raise _fault(name, f"unknown role {unknown[0]!r}; known: {', '.join(known)}")
    if "time" in roles and dtype not in ("datetime", "date"):
        raise _fault(name, f"the role 'time' is for a datetime or a date, not for type {dtype}")
    return tuple(roles)


def _available(name: str, available: object) -> Literal["before", "after"]:
    if available in ("before", "after"):
        return available
    raise _fault(name, f"available={available!r} is neither 'before' (known when asked) nor 'after' (known later)")


def _refuse_taken(fields: Iterable[FieldSpec], label: FieldSpec) -> None:
    """Raise TypeError for a field that is called like what is written beside it."""
    answers = ["probability"] if label.dtype == "boolean" else [f"probability_{one}" for one in label.allowed]
    for field in fields:
        taken = _TAKEN.get(field.name)
        if field.name in (answers or ["value"]) or (not answers and field.name.startswith("quantile_")):
            taken = "a column of the answers"
        if taken and not (field is label and field.name == "label"):
            raise _fault(field.name, f"{taken} is called so: choose another name, in the source too")


def _check_label(label: FieldSpec) -> None:
    """Raise TypeError for a label that nothing can be learnt from."""
    if label.nullable:
        raise _fault(
            label.name,
            "the label may be missing, and nothing can be learnt from such a row: take `| None` away; rows without an "
            "answer then go to quarantine, as many as quarantine_tolerance allows",
        )
    if label.dtype in ("datetime", "date"):
        raise _fault(label.name, f"a {label.dtype} cannot be a label: make a number of it, such as days from a day")
    if label.dtype == "string" and not label.allowed:
        raise _fault(label.name, "a label of any text cannot be learnt: name its classes, as in Literal['a', 'b']")
