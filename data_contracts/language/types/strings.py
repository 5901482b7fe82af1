"""Columns of text, short and long."""

import re
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.description.patterns import disputed, python_pattern
from data_contracts.description.spec import FieldSpec
from data_contracts.language.column_type import ColumnType, check_length, hashed
from data_contracts.language.fault import fault
from data_contracts.language.media_types import check_media_type


class StringColumn(ColumnType):
    """Short texts: what they may hold is bounded by length, pattern or a list."""

    name = "string"
    annotation = str
    polars = pl.String()
    form = "text"

    def check_rule(self, field: str, word: str, value: Any) -> None:
        if word == "pattern":
            if wrong := pattern_fault(value):
                raise fault(field, wrong)
        else:
            check_length(field, word, value)

    def label_fault(self, field: FieldSpec) -> str | None:
        return (
            None
            if field.allowed
            else ("a label of any text cannot be learnt: name its classes, as in Literal['a', 'b']")
        )

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        checks: list[tuple[str, pl.Expr]] = []
        length = value.str.len_chars()
        if field.min_length is not None:
            checks.append((f"shorter than {field.min_length}", length < field.min_length))
        if field.max_length is not None:
            checks.append((f"longer than {field.max_length}", length > field.max_length))
        if field.pattern is not None:
            checks.append((f"does not match {field.pattern}", ~value.str.contains(field.pattern)))
        if field.allowed:
            checks.append(("not an allowed value", ~value.is_in(list(field.allowed))))
        return checks

    def good(self, field: FieldSpec, value: pl.Expr) -> list[pl.Expr]:
        rules: list[pl.Expr] = []
        if field.min_length is not None or field.max_length is not None:
            most = 2**32 - 1 if field.max_length is None else field.max_length
            rules.append(value.str.len_chars().is_between(field.min_length or 0, most))
        if field.pattern is not None:
            rules.append(value.str.contains(field.pattern))
        if field.allowed:
            rules.append(pl.any_horizontal([value == option for option in field.allowed]))
        return rules

    def bits(self, name: str) -> pl.Expr:
        return hashed(name)

    def cast(self, column: pl.Expr, source: pl.DataType) -> tuple[pl.Expr, bool] | None:
        if source == pl.String or source.is_integer():
            return column.cast(pl.String), False
        return None


class TextColumn(StringColumn):
    """Long texts of a media type."""

    name = "text"
    form = "text"

    def check_rule(self, field: str, word: str, value: Any) -> None:
        if word == "media_type":
            check_media_type(field, value, "text/plain")
        else:
            super().check_rule(field, word, value)

    def label_fault(self, field: FieldSpec) -> str | None:
        return "a label of long text is not one that a kind learns yet: name its classes, as in Literal['a', 'b']"


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


TYPES = (StringColumn(), TextColumn())
