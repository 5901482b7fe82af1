"""The rules of one field of a contract: collected from what pydantic was told, and only what every judge keeps."""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import annotated_types
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.description.patterns import disputed, python_pattern
from data_contracts.description.spec import DType

_BOUNDS = ("ge", "gt", "le", "lt")
RULES: dict[str, type] = {
    "ge": annotated_types.Ge,
    "gt": annotated_types.Gt,
    "le": annotated_types.Le,
    "lt": annotated_types.Lt,
    "min_length": annotated_types.MinLen,
    "max_length": annotated_types.MaxLen,
}


def rules_of(name: str, dtype: DType, metadata: Iterable[Any], **more: Any) -> dict[str, Any]:
    """Return the rules of a field as ``FieldSpec`` has them; ``more`` are rules that pydantic was not told.

    Raises TypeError for a rule that says nothing about the type, cannot be kept, or is pydantic's alone.
    """
    rules = _rules(name, metadata) | more
    _check_rules(name, dtype, rules)
    return _moments(name, dtype, rules) if dtype in ("datetime", "date") else rules


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


def fault(field: str, text: str) -> TypeError:
    """Return the error of a field."""
    return TypeError(f"field {field}: {text}")


def _rules(name: str, metadata: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in _parts(name, metadata):
        if key in found and found[key] != value:
            raise fault(name, f"{key} is given twice, as {found[key]!r} and as {value!r}")
        found[key] = value
    return found


def _parts(name: str, metadata: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each rule as its word and its value; TypeError for one that is not compiled."""
    for meta in metadata:
        word = next((word for word, kind in RULES.items() if isinstance(meta, kind)), None)
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
                raise fault(name, f"{meta!r} is less strict than the other judges of a row: leave it out")
            yield from (("pattern", given[key]) for key in given if key == "pattern")
            continue
        raise fault(
            name, f"{meta!r} is a rule that only pydantic knows; known to all are {', '.join(RULES)} and pattern"
        )


def _check_rules(name: str, dtype: DType, rules: dict[str, Any]) -> None:
    for word, value in rules.items():
        fits = dtype == "string" if word not in _BOUNDS else dtype not in ("string", "boolean")
        if not fits:
            raise fault(name, f"{word} says nothing about type {dtype}: leave it out")
        if word in _BOUNDS and not _is_bound(value, dtype):
            takes = {"date": "a date", "datetime": "a datetime without a zone"}.get(
                dtype, "a finite number of at most 64 bits"
            )
            raise fault(name, f"{word}={value!r} of type {dtype} must be {takes}")
        if word.endswith("_length") and (type(value) is not int or value < 0):
            raise fault(name, f"{word}={value!r} must be a whole number from 0")
        if word == "pattern" and (wrong := pattern_fault(value)):
            raise fault(name, wrong)
    for one, other in (("ge", "gt"), ("le", "lt")):
        if one in rules and other in rules:
            raise fault(name, f"{one}={rules[one]!r} and {other}={rules[other]!r} both bound it: keep one of them")


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
            raise fault(name, f"{word}={value!r} leaves no {dtype} that could be good") from error
        found["earliest" if word in ("ge", "gt") else "latest"] = moment
    return found
