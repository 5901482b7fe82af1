"""The contract of a table as a module: one field a column, with what a person should check beside it."""

import re
from datetime import date, datetime
from typing import Any

from components.profiling.columns import Column
from components.profiling.profile import Profile
from components.profiling.relations import STRONG
from components.profiling.roles import Placed
from components.scaffolding.bounds import longest, moment_bounds, number_bounds
from components.scaffolding.names import attribute_names, class_name

WIDTH = 120
# Rows from which on slices are looked at one by one, values that a field of slices has at most, and fields of slices.
SLICE_ROWS, SLICE_VALUES, SLICES = 2_000, 8, 2
# Values of a text that are named in a comment.
NAMED = 8
_TYPES = {"number": "float", "integer": "int", "boolean": "bool", "string": "str"}


def contract_text(name: str, profile: Profile) -> str:
    """Return the module ``data_contracts/<name>.py``."""
    kept = [one for one in profile.placed if one.role != "left out"]
    attributes = attribute_names(profile.name(one.column.name) for one in kept)
    sliced = _sliced(profile)
    fields = [line for one in kept for line in _field(one, profile, attributes, one.column.name in sliced)]
    left = [_left_out(one) for one in profile.of_role("left out")]
    body = "\n".join(fields)
    imports = "import datetime\n" if "datetime." in body else ""
    typing_import = "from typing import Literal\n" if "Literal[" in body else ""
    head = f'"""{_docstring(profile)}"""\n\n{imports}{typing_import}' + ("\n" if imports or typing_import else "")
    expected = _expectations(profile)
    language = "Contract, column"
    spec = "from data_contracts.description.spec import Expectation\n" if expected else ""
    closing = [*expected, *_tolerance(profile)]
    return (
        f"{head}from data_contracts.contract import {language}\n{spec}\n\n"
        f"class {class_name(name)}(Contract):\n"
        f'    """One row of {_flat(profile.path)}."""\n\n{body}\n'
        + ("\n    # Left out of the contract; a line that begins with # is one to take in again:\n" if left else "")
        + "".join(f"    # {line}\n" for line in left)
        + ("\n" + "\n".join(closing) + "\n" if closing else "")
    )


def _docstring(profile: Profile) -> str:
    return (
        f"What a row of {_flat(profile.path)} must be, as {profile.table.rows:,} rows showed it.\n\n"
        "Proposed by `slipway new`. Look through it once: is every column known BEFORE the answer is (else write\n"
        'available="after"), do the bounds hold for what will come, does each description say what the column means?\n'
    )


def _field(placed: Placed, profile: Profile, attributes: dict[str, str], sliced: bool) -> list[str]:
    column, name = placed.column, profile.name(placed.column.name)
    rules: dict[str, Any] = {"source_name": name} if attributes[name] != name else {}
    kind = _annotation(column, profile) if placed.role != "label" else _label_annotation(profile)
    roles = _roles(placed, sliced)
    if roles:
        rules["roles"] = roles
    if placed.role == "label":
        rules["available"] = "after"
        rules |= number_bounds(column) if profile.label.target == "regression" else {}
    else:
        rules |= _rules(column)
        rules["example"] = _example(column)
    told = ", ".join([_written(_description(column)), *(f"{word}={_written(value)}" for word, value in rules.items())])
    comment = _comment(placed, profile)
    return [*(f"    # {line}" for line in comment), *_wrapped(f"    {attributes[name]}: {kind} = column(", told)]


def _wrapped(start: str, told: str) -> list[str]:
    line = f"{start}{told})"
    return [line] if len(line) <= WIDTH else [start, f"        {told},", "    )"]


def _annotation(column: Column, profile: Profile) -> str:
    kind = {**_TYPES, "date": "datetime.date", "datetime": "datetime.datetime"}[str(column.dtype)]
    return f"{kind} | None" if column.missing or column.bad else kind


def _label_annotation(profile: Profile) -> str:
    label = profile.label
    if label.target == "binary" and not label.classes:
        return "bool"
    if label.classes:
        return f"Literal[{', '.join(_written(value) for value, _ in label.classes)}]"
    return _TYPES[str(label.column.dtype)]


def _roles(placed: Placed, sliced: bool) -> tuple[str, ...]:
    if placed.role in ("label", "time", "group"):
        return (placed.role,)
    return ("slice",) if sliced else ()


def _rules(column: Column) -> dict[str, Any]:
    if column.dtype in ("number", "integer"):
        return dict(number_bounds(column))
    if column.dtype == "string":
        return {"max_length": longest(column)}
    return dict(moment_bounds(column)) if column.dtype in ("date", "datetime") else {}


def _example(column: Column) -> Any:
    value = column.example
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _comment(placed: Placed, profile: Profile) -> list[str]:
    """Return what a person should know of a column."""
    column, lines = placed.column, list[str]()
    if placed.role == "label" and profile.label.target == "binary" and profile.label.classes:
        lines.append("Of two values the second is what the probability is of: turn them round if it is the other one.")
    if column.share_missing:
        lines.append(f"{column.share_missing:.2%} missing")
    if column.is_text and column.values and placed.role == "feature":
        named = ", ".join(_flat(str(value)) for value, _ in column.values[:NAMED])
        lines.append(f"seen: {named}" + (f" and {column.distinct - NAMED} more" if column.distinct > NAMED else ""))
    elif column.is_text and placed.role == "feature":
        lines.append(f"{column.distinct:,} different texts")
    area = profile.relations.telling.get(column.name, 0.0)
    if placed.role == "feature" and area > STRONG:
        lines.append(f"CHECK: alone it tells the label with AUC {area:.3f}: is it known before the answer is?")
    lines += [f"CHECK: {note}" for note in column.notes]
    return [_flat(line)[: WIDTH - 6] for line in lines]


def _left_out(placed: Placed) -> str:
    return _flat(f"{placed.column.name}: {placed.why}")[: WIDTH - 6]


def _sliced(profile: Profile) -> set[str]:
    if profile.table.rows < SLICE_ROWS:
        return set()
    fit = [
        one.column.name
        for one in profile.of_role("feature")
        if one.column.is_text and 2 <= one.column.distinct <= SLICE_VALUES
    ]
    return set(fit[:SLICES])


def _expectations(profile: Profile) -> list[str]:
    least = max(1, profile.table.rows // 2)
    return [
        "    # The table as a whole; more of these in docs/data.md.",
        "    expectations = (",
        f'        Expectation(expectation="ExpectTableRowCountToBeBetween", arguments={{"min_value": {least}}}),',
        "    )",
    ]


def _tolerance(profile: Profile) -> list[str]:
    """Return the share of rows that may go to quarantine, if some will: those without a label, or of a rare class."""
    lost = profile.label.column.missing + profile.label.column.bad + sum(rows for _, rows in profile.label.rare)
    if not lost:
        return []
    share = min(1.0, round(1.5 * lost / profile.table.rows + 0.005, 3))
    return [
        f"    # {lost:,} of {profile.table.rows:,} rows have no label that can be learnt from.",
        f"    quarantine_tolerance = {share:g}",
    ]


def _description(column: Column) -> str:
    words = re.sub(r"[_\s.]+", " ", column.name).strip()
    return words[:1].upper() + words[1:] if words else "A column without a name"


def _written(value: Any) -> str:
    """Return a value as Python writes it, in double quotes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_written, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, (date, datetime)):
        kind = "datetime.datetime" if isinstance(value, datetime) else "datetime.date"
        parts = [value.year, value.month, value.day]
        return f"{kind}({', '.join(map(str, parts))})"
    return repr(value)


def _flat(text: str) -> str:
    return " ".join(text.replace('"""', "'''").replace("\\", "/").split())
