"""Columns of bytes; in sources of text they are base64, as in JSON."""

from typing import Any, ClassVar

import polars as pl

from data_contracts.description.spec import FieldSpec
from data_contracts.language.column_type import ColumnType, hashed
from data_contracts.language.fault import fault
from data_contracts.language.media_types import check_media_type


class BytesColumn(ColumnType):
    """Bytes of a media type, up to a size."""

    name = "bytes"
    annotation = bytes
    polars = pl.Binary()
    form = "bytes, in text as base64"
    needs: ClassVar[dict[str, str]] = {"media_type": "'image/*'", "max_bytes": "1_000_000"}

    def check_rule(self, field: str, word: str, value: Any) -> None:
        if word == "media_type":
            check_media_type(field, value, "image/*")
        elif type(value) is not int or not 0 < value < 2**31:
            raise fault(field, f"{word}={value!r} must be a whole number of bytes from 1 to {2**31 - 1:,}")

    def label_fault(self, field: FieldSpec) -> str | None:
        return "bytes cannot be a label: name classes, as in Literal['a', 'b'], or make a number of them"

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        size = value.bin.size()
        return [("empty", size == 0), (f"larger than {field.max_bytes:,} bytes", size > field.max_bytes)]

    def bits(self, name: str) -> pl.Expr:
        return hashed(name)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return column.str.decode("base64", strict=False)


TYPES = (BytesColumn(),)
