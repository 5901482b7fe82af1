"""What a type of values is as a column: one instance a type, in a module of ``types``.

How a contract's class declares it, how a source's column becomes it (lossless or not at all), which checks a row must
keep, and the 64 bits that stand for a value in a row's hash.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import polars as pl
import polars_hash

from data_contracts.description.spec import FieldSpec
from data_contracts.language.fault import fault

Reader = Callable[[pl.Expr], pl.Expr]


class ColumnType:
    """A type of values as a column; a method that is not overridden is what most types do."""

    # As ``FieldSpec.dtype`` has it.
    name: ClassVar[str]
    # How a contract's class writes it.
    annotation: ClassVar[Any]
    polars: ClassVar[pl.DataType]
    # What a value must be like to be of the type, for messages.
    form: ClassVar[str]
    # Rules without which it cannot be declared, and an example of each.
    needs: ClassVar[dict[str, str]] = {}

    def check_rule(self, field: str, word: str, value: Any) -> None:
        """Raise TypeError for a rule of column(...) whose value says nothing about the type."""

    def rules(self, field: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return rules that were checked as ``FieldSpec`` has them."""
        return given

    def label_fault(self, field: FieldSpec) -> str | None:
        """Return why nothing can be learnt from a label of this type, None if something can."""
        return None

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        """Return for each rule the reason and what is true for a value that breaks it, null or false for others."""
        return []

    def good(self, field: FieldSpec, value: pl.Expr) -> list[pl.Expr]:
        """Return what is true for a value that keeps every rule, in as few steps as it takes; null is any of them."""
        kept = [~broken.fill_null(False) for _, broken in self.refusals(field, value)]
        return kept if field.nullable else [*kept, value.is_not_null()]

    def bits(self, name: str) -> pl.Expr:
        """Return a column's values as UInt64, null for null: alike values as the same, others hardly ever."""
        return pl.col(name).to_physical().cast(pl.Int64).reinterpret(dtype=pl.UInt64)

    def cast(self, column: pl.Expr, source: pl.DataType) -> tuple[pl.Expr, bool] | None:
        """Return a column of another type as this one and whether a value may fail, null then; None if none can be."""
        value = self.of_text(column) if source == pl.String else self.of_typed(column, source)
        return None if value is None else (value, True)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        """Return a column of text as this type, null for what is none."""
        return None

    def of_typed(self, column: pl.Expr, source: pl.DataType) -> pl.Expr | None:
        """Return a column of a type that is not text as this one, null for a value that cannot become it."""
        return None


def check_length(field: str, word: str, value: Any) -> None:
    """Raise TypeError for a length that is none."""
    if type(value) is not int or value < 0:
        raise fault(field, f"{word}={value!r} must be a whole number from 0")


def hashed(name: str) -> pl.Expr:
    """Return texts or bytes as XXH3 of 64 bits."""
    return polars_hash.col(name).nchash.xxh3_64()


def first_that_reads(text: pl.Expr, readers: Sequence[Reader], dtype: pl.DataType) -> pl.Expr:
    """Return for each text what the first reader makes of it that makes something of it.

    Nearly all texts of a column are of one form: a reader is asked only about those that the ones before left open.
    Block by block: as an expression of its own, Polars would gather all rows of a stream before it.
    """

    def read(texts: pl.Series) -> pl.Series:
        frame = texts.to_frame("text")
        values = frame.select(readers[0](pl.col("text")))["text"]
        for reader in readers[1:]:
            left = values.is_null() & texts.is_not_null()
            if not left.any():
                break
            found = frame.filter(left).select(reader(pl.col("text")))["text"]
            values = values.scatter(left.arg_true(), found)
        return values

    return text.map_batches(read, return_dtype=dtype, is_elementwise=True)
