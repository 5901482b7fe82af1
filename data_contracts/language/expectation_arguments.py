"""What dataset-level expectations may be given, checked when the contract is declared; judged in ``validation.py``.

Great Expectations checks the arguments of its own expectations; here are the columns that any of them names, and those
that ``facts.py`` answers. Imports msgspec alone, as ``spec.py`` does.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from data_contracts.description.spec import Expectation, FieldSpec
from data_contracts.description.types.registry import TYPES

CORRELATION = "ExpectCorrelationToBeBetween"
FRESH = "ExpectColumnToBeFresh"
KNOWN = "ExpectColumnValuesToBeKnown"
QUANTILES = "ExpectColumnQuantileValuesToBeBetween"
# Answered by the contract's fields, whatever the rows are.
SCHEMA = (
    "ExpectTableColumnCountToEqual",
    "ExpectTableColumnCountToBeBetween",
    "ExpectTableColumnsToMatchSet",
    "ExpectTableColumnsToMatchOrderedList",
    "ExpectColumnToExist",
)
_NUMBERS = tuple(name for name, one in TYPES.items() if one.python in (float, int, bool))
_MOMENTS = tuple(name for name, one in TYPES.items() if one.is_moment)

Fields = dict[str, FieldSpec]


def check_expectations(expectations: Sequence[Expectation], fields: Sequence[FieldSpec], contract: str) -> None:
    """Raise TypeError, in one line, for an expectation that names no field or has arguments that it cannot take."""
    named = {field.name: field for field in fields}
    for expectation in expectations:
        given = dict(expectation.arguments)
        for name in columns_of(expectation):
            if name not in named:
                raise TypeError(f"{expectation.expectation} names '{name}', which is no field of {contract}")
        check = _CHECKS.get(expectation.expectation)
        if check:
            check(_Asked(expectation.expectation, given, named))


def columns_of(expectation: Expectation) -> tuple[str, ...]:
    """Return the columns that an expectation names as such; none if it is about the columns themselves."""
    if expectation.expectation in SCHEMA:
        return ()
    given = [value for key, value in expectation.arguments.items() if key.startswith("column")]
    flat = [name for value in given for name in (value if isinstance(value, (list, tuple)) else [value])]
    return tuple(name for name in flat if isinstance(name, str))


def columns_needed(expectation: Expectation, fields: Sequence[FieldSpec]) -> tuple[str, ...]:
    """Return the columns that an expectation is judged on: those it names, also in the condition for its rows."""
    condition = str(expectation.arguments.get("row_condition") or "")
    words = set(re.findall(r"\w+", condition))
    asked = tuple(field.name for field in fields if field.name in words)
    return tuple(dict.fromkeys((*columns_of(expectation), *asked)))


def known_files(expectations: Sequence[Expectation]) -> tuple[str, ...]:
    """Return the files outside of the data that expectations compare it with."""
    return tuple(str(one.arguments.get("path")) for one in expectations if one.expectation == KNOWN)


def asks_the_clock(expectations: Sequence[Expectation]) -> bool:
    """Return whether the answer of an expectation changes with the time of day."""
    return any(one.expectation == FRESH for one in expectations)


class _Asked:
    """An expectation's arguments, and the words in which a wrong one is refused."""

    def __init__(self, name: str, given: dict[str, Any], fields: Fields) -> None:
        self.name, self.given, self.fields = name, given, fields

    def refuse(self, argument: str, takes: str) -> TypeError:
        if argument not in self.given:
            return TypeError(f"{self.name} needs the argument '{argument}': {takes}")
        return TypeError(f"{self.name}: '{argument}' takes {takes}, not {self.given[argument]!r}")

    def only(self, *allowed: str) -> None:
        if unknown := [argument for argument in self.given if argument not in allowed]:
            raise TypeError(f"{self.name} has no argument '{unknown[0]}'; it takes {', '.join(allowed)}")

    def column(self, argument: str, dtypes: Sequence[str], takes: str) -> None:
        name = self.given.get(argument)
        if not isinstance(name, str) or self.fields[name].dtype not in dtypes:
            is_a = f" ('{name}' is a {self.fields[name].dtype})" if isinstance(name, str) else ""
            raise self.refuse(argument, takes + is_a)

    def number(self, argument: str, low: float, high: float, takes: str) -> None:
        value = self.given.get(argument)
        if value is None or not _is_number(value) or not low <= value <= high:
            raise self.refuse(argument, takes)


def _correlation(asked: _Asked) -> None:
    asked.only("columns", "min_value", "max_value")
    columns = asked.given.get("columns")
    if not isinstance(columns, (list, tuple)) or len(columns) != 2:
        raise asked.refuse("columns", "a list of two fields")
    for name in columns:
        if not isinstance(name, str) or asked.fields[name].dtype not in _NUMBERS:
            raise asked.refuse("columns", f"two fields that are numbers ('{name}' is none)")
    limits = [argument for argument in ("min_value", "max_value") if asked.given.get(argument) is not None]
    for argument in limits or ["min_value"]:
        asked.number(argument, -1, 1, "a number from -1 to 1")


def _fresh(asked: _Asked) -> None:
    asked.only("column", "max_age_hours")
    asked.column("column", _MOMENTS, "a field that is a datetime or a date")
    asked.number("max_age_hours", 0, float("inf"), "a number of hours")


def _known(asked: _Asked) -> None:
    asked.only("column", "path", "known_column", "share")
    if not isinstance(asked.given.get("column"), str):
        raise asked.refuse("column", "the name of a field")
    for argument, takes in (("path", "the path of a Parquet file"), ("known_column", "the name of its column")):
        if not isinstance(asked.given.get(argument), str):
            raise asked.refuse(argument, takes)
    if "share" in asked.given:
        asked.number("share", 0, 1, "a share from 0 to 1")


def _quantiles(asked: _Asked) -> None:
    asked.column("column", _NUMBERS, "a field that is a number")
    ranges = asked.given.get("quantile_ranges")
    shares = ranges.get("quantiles") if isinstance(ranges, dict) else None
    values = ranges.get("value_ranges") if isinstance(ranges, dict) else None
    takes = "{quantiles: [shares from 0 to 1], value_ranges: [[lowest or null, highest or null] for each of them]}"
    if not isinstance(shares, (list, tuple)) or not isinstance(values, (list, tuple)) or len(shares) != len(values):
        raise asked.refuse("quantile_ranges", takes)
    if not shares or not all(_is_number(share) and 0 <= share <= 1 for share in shares):
        raise asked.refuse("quantile_ranges", takes)
    if not all(_is_range(pair) for pair in values):
        raise asked.refuse("quantile_ranges", takes)
    if asked.given.get("row_condition"):
        raise TypeError(f"{asked.name} is found over all rows and takes no row_condition")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _is_range(pair: object) -> bool:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        return False
    return all(limit is None or _is_number(limit) for limit in pair)


def _about_columns(asked: _Asked) -> None:
    for argument in ("column_set", "column_list"):
        names = asked.given.get(argument, [])
        if not isinstance(names, (list, tuple, set)) or not all(isinstance(name, str) for name in names):
            raise asked.refuse(argument, "a list of names")
    for argument in ("value", "min_value", "max_value", "column_index"):
        if asked.given.get(argument) is not None:
            asked.number(argument, 0, float("inf"), "a number of columns")


_CHECKS: dict[str, Callable[[_Asked], None]] = {
    **dict.fromkeys(SCHEMA, _about_columns),
    CORRELATION: _correlation,
    FRESH: _fresh,
    KNOWN: _known,
    QUANTILES: _quantiles,
}
