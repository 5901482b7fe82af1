"""Columns of vectors: lists of doubles; in sources of text they are written as JSON has them."""

from typing import Any, ClassVar

import msgspec
import polars as pl

from data_contracts.description.spec import FieldSpec
from data_contracts.language.column_type import ColumnType, check_length
from data_contracts.language.fault import fault

DTYPE = pl.List(pl.Float64)


class VectorColumn(ColumnType):
    """Finite numbers in order, of a fixed or a bounded number."""

    name = "vector"
    annotation = list[float]
    polars = DTYPE
    form = "numbers in order, in text like [0.5, 1]"
    needs: ClassVar[dict[str, str]] = {"max_length": "768"}

    def check_rule(self, field: str, word: str, value: Any) -> None:
        check_length(field, word, value)

    def rules(self, field: str, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("min_length", 0) > given["max_length"]:
            raise fault(field, f"min_length={given['min_length']} is more than max_length={given['max_length']}")
        return given

    def label_fault(self, field: FieldSpec) -> str | None:
        return "a vector is not a label that a kind learns yet: make a number of it"

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        length = value.list.len()
        # A missing number in a vector is no number: a request has none, too.
        finite = value.list.eval(pl.element().is_finite().fill_null(False)).list.all()
        shorter = [(f"shorter than {field.min_length}", length < field.min_length)] if field.min_length else []
        return [*shorter, (f"longer than {field.max_length}", length > field.max_length), ("not finite", ~finite)]

    def bits(self, name: str) -> pl.Expr:
        # Polars writes a double so that it is read as the same one. One zero, whatever its sign: inside of a list it
        # leaves `+ 0.0` out.
        number = pl.when(pl.element() == 0).then(0.0).otherwise(pl.element())
        texts = pl.col(name).list.eval(number.cast(pl.String).fill_null("null")).list.join(",")
        return texts.nchash.xxh3_64()  # type: ignore[attr-defined,no-any-return]

    def cast(self, column: pl.Expr, source: pl.DataType) -> tuple[pl.Expr, bool] | None:
        if isinstance(source, (pl.List, pl.Array)):
            inner = source.inner
            return (column.cast(DTYPE), False) if inner == pl.Null or inner.is_numeric() else None
        return super().cast(column, source)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return column.map_batches(_read, return_dtype=DTYPE, is_elementwise=True)


def _read(texts: pl.Series) -> pl.Series:
    decoder = msgspec.json.Decoder(list[float | None])

    def read(text: str | None) -> list[float | None] | None:
        try:
            return None if text is None else decoder.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None

    return pl.Series(texts.name, [read(text) for text in texts], dtype=DTYPE)


TYPES = (VectorColumn(),)
