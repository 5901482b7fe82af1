"""The rules of one field of a contract: collected from what pydantic was told, and only what every judge keeps."""

from collections.abc import Iterable, Iterator
from typing import Any

import annotated_types

from data_contracts.description.types.registry import value_type
from data_contracts.language.fault import fault
from data_contracts.language.types.registry import column_type

RULES: dict[str, type] = {
    "ge": annotated_types.Ge,
    "gt": annotated_types.Gt,
    "le": annotated_types.Le,
    "lt": annotated_types.Lt,
    "min_length": annotated_types.MinLen,
    "max_length": annotated_types.MaxLen,
}
# Rules that pydantic is not told under these words.
OWN_RULES = ("pattern", "media_type", "max_bytes", "media")


def rules_of(name: str, dtype: str, metadata: Iterable[Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the rules of a field as ``FieldSpec`` has them; ``own`` are those that pydantic was not told as they are.

    Raises TypeError for a rule that says nothing about the type, cannot be kept, or is pydantic's alone.
    """
    rules = _rules(name, metadata) | own
    if "max_bytes" in own and rules.get("max_length") == own["max_bytes"]:
        # What pydantic calls the length of bytes.
        del rules["max_length"]
    kind, column = value_type(dtype), column_type(dtype)
    for word, value in rules.items():
        if word not in kind.rules:
            instead = " (of bytes it is max_bytes)" if word == "max_length" and "max_bytes" in kind.rules else ""
            raise fault(name, f"{word} says nothing about type {dtype}: leave it out{instead}")
        column.check_rule(name, word, value)
    for one, other in (("ge", "gt"), ("le", "lt")):
        if one in rules and other in rules:
            raise fault(name, f"{one}={rules[one]!r} and {other}={rules[other]!r} both bound it: keep one of them")
    for word, example in column.needs.items():
        if word not in rules:
            raise fault(name, f"type {dtype} needs {word}=..., for instance {word}={example}")
    return column.rules(name, rules)


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
