# ruff: noqa: E501
"""Names and values that mean something else to one of the parts that they go through, and files made of them."""

import json
import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from hypothesis import strategies as st

# fmt: off
NAMES = [
    "count", "index", "len", "row", "rows", "value", "values", "key", "keys", "name", "names", "type", "label", "labels",
    "position", "reasons", "answers", "features", "fields", "field", "model", "model_config", "model_fields", "schema",
    "json", "copy", "dict", "self", "cls", "literal", "text", "column", "columns", "all", "none", "null", "true", "nan",
    "class_", "__class__", "__dict__", "__init__", "_private", "probability", "quantile_1", "split", "train", "validation",
    "build", "request_id", "prediction", "target", "weight", "offset", "slice", "group", "date", "time", "at", "id", "x",
    "no", "yes", "on", "off", "NO", "Count", "INDEX", "unit", "expectations", "quarantine_tolerance", "spec", "é", "ключ",
    "数", "a" * 200, "slipway", "f0", "e1", "inf", "Infinity", "codes", "cardinality", "lit", "len_1", "left", "right",
]
TEXTS = [
    "", " ", "\t", "NO", "no", "yes", "on", "off", "y", "null", "NULL", "~", "None", "nan", "NaN", "inf", "-inf", "true",
    "false", "[/x]", "[cart]", "[bold]x", "[red]", "%", "%s", "%(x)s", "50%", "<=50K", ">50K", "C++", "a/b", "../..",
    "/etc/passwd", "a b", " a", "a ", "'", '"', '""', "''", "`", "\\", "\\n", "a\nb", "a\r\nb", "a,b", "a;b", "a|b", "#x",
    "# x", "- x", "a: b", "{x}", "{}", "[]", "${HOME}", "$x", "&a", "*a", "!x", "@x", "=1+1", "0", "1", "01", "1e5", "1.0",
    "0x1F", "1_000", "12:30", "2024-01-31", "2024-06-31", "2024-01-31T08:30:00", "é", "e\u0301", "日本", "🙂", "\u202e",
    "\u0000", "\ufeff", "\u2028", "x" * 300, "<script>", "&amp;", "None\u00a0", "slipway:hash", "count", "__class__",
]
# As they stand in a file, without quotes or with them.
SCALARS = [
    "NO", "no", "yes", "On", "off", "y", "~", "null", "NULL", "", "true", "False", "0", "-1", "1", "2.7", "2.0", "1e5",
    "1e-3", ".inf", "-.inf", ".nan", "010", "0o10", "0x1F", "0b11", "1_000", "12:30", "1:30:00", "2024-01-31", "2024-06-31",
    "0000-00-00", "9999-12-31", "10000-01-01", "2024-01-31T08:30:00", "2024-01-31T08:30:00Z", "9" * 30, "9" * 5000, "1e400",
    "-9223372036854775809", "'1'", "'0.5'", "'NO'", "'[/x]'", '"%s"', "'\\0'", '"\\0"', '"\\ud800"', "[]", "{}", "[1]",
    "[NO]", "{NO: NO}", "[[[[]]]]", "count", "__class__", "city", "kind", "'a b'", "s3://x/y", "http://x", "/", "..", "*",
    "&a x", "*a", "!x y", "!!python/name:os.system x", "!!binary aGk=", "|", ">", "@x", "`x`", "%x", "? x", "- x", "<<",
    "=", "'" + "x" * 5000 + "'", "日本", "🙂", "'\u2028'", "auc", "log_loss", "rmse", "at_least", "at_most", "same",
]
# fmt: on
TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "datetime",
    "date": "date",
}
PYTHON = {"datetime": "datetime.datetime", "date": "datetime.date"}
HEAD = """
import datetime
from math import inf, nan
from typing import Literal
from pydantic import create_model
from data_contracts.contract import Contract, column

class Base(Contract):
    '''A row.'''
    quarantine_tolerance = 0.9

Order = create_model("Order", __base__=Base, **{
"""
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.sampled_from(NAMES) | st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "int": st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1),
    "float": st.floats() | st.integers(-5, 5).map(float) | st.sampled_from([1e308, -1e308, 5e-324, 1e-300, 1e300]),
    "bool": st.booleans(),
    "datetime": st.datetimes(datetime(2020, 1, 1), datetime(2025, 1, 1))
    | st.sampled_from([datetime.min, datetime.max]),
    "date": st.dates(date(2020, 1, 1), date(2025, 1, 1)) | st.sampled_from([date.min, date.max]),
}


@dataclass
class Table:
    """The text of a contract's module, its fields by type, and rows."""

    module: str
    fields: dict[str, str]
    label: str
    rows: list[dict[str, Any]]


@st.composite
def contracts(draw: st.DrawFn, rows: int = 0) -> Table:
    """A contract with hostile names, choices and rules, as a module of the user's has it; some cannot be compiled."""
    fields: dict[str, str] = {}
    lines: list[str] = []
    choices: dict[str, list[Any]] = {}
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        kind = draw(st.sampled_from(list(TYPES)))
        fields[name] = kind
        roles = draw(
            st.sampled_from([(), (), ("slice",), ("group",), ("pii",), ("identifier",), ("time",), ("label",)])
        )
        if (roles == ("time",) and kind not in ("date", "datetime")) or roles == ("label",):
            roles = draw(st.sampled_from([(), ("slice",)] if rows else [roles]))
        annotation = PYTHON.get(kind, kind)
        if kind in ("str", "int") and draw(st.integers(0, 3)) == 0:
            choices[name] = draw(st.lists(VALUES[kind], min_size=1, max_size=4, unique=True))
            annotation = f"Literal[{', '.join(map(repr, choices[name]))}]"
        nullable = " | None" if draw(st.booleans()) else ""
        words = (
            {"roles": roles, "unit": draw(texts), "example": draw(st.none() | VALUES[kind])}
            if not rows
            else {"roles": roles}
        )
        told = ", ".join(f"{key}={value!r}" for key, value in words.items())
        lines.append(f"    {name!r}: ({annotation}{nullable}, column({draw(texts)!r}, {told})),")
    label = draw(st.sampled_from(["returned", "Label", *NAMES[:40]]).filter(lambda name: name not in fields))
    kind = draw(st.sampled_from(["bool", "bool", "str", "int", "float"]))
    annotation = kind
    if kind in ("str", "int"):
        choices[label] = draw(st.lists(VALUES[kind], min_size=2, max_size=3, unique=True))
        annotation = f"Literal[{', '.join(map(repr, choices[label]))}]"
    lines.append(f"    {label!r}: ({annotation}, column('label', roles=('label',), available='after')),")
    module = HEAD + "\n".join(lines) + "\n})\n"
    drawn = []
    for number in range(rows):
        row = {}
        for name, own in fields.items():
            options = st.sampled_from(choices[name]) if name in choices else VALUES[own]
            row[name] = draw(st.none() | options if number % 7 == 3 else options)
        # Labels of which each split has some.
        answers = choices.get(label, [False, True])
        row[label] = answers[number * number % 5 % len(answers)] if kind != "float" else draw(VALUES["float"])
        drawn.append(row)
    return Table(module, fields, label, drawn)


def as_yaml(value: Any) -> str:
    """Write plain values as YAML that reads as the same; a leaf of the type Raw as it is."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{key if isinstance(key, Raw) else json.dumps(key)}: {as_yaml(inner)}" for key, inner in value.items()
            )
            + "}"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    return json.dumps(value)


class Raw(str):
    """Words that stand in a file as they are."""


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value inside, mappings and lists too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [place, *(found for key, one in inner for found in leaves(one, (*place, key)))] if place or inner else [place]
    )


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Return a copy with another value at a place."""
    if not place:
        return new
    first, *rest = place
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[first] = changed(copy[first], tuple(rest), new)
    return copy
