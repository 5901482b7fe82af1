"""Columns of bytes; in sources of text they are base64, as in JSON."""

from collections.abc import Mapping
from typing import Any, ClassVar

import polars as pl

from data_contracts.description.media.registry import reader_of
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
        elif word == "media":
            if not isinstance(value, Mapping) or not all(type(one) is int and one > 0 for one in value.values()):
                raise fault(field, f"media={value!r} is not a mapping of words to whole numbers from 1")
        elif type(value) is not int or not 0 < value < 2**31:
            raise fault(field, f"{word}={value!r} must be a whole number of bytes from 1 to {2**31 - 1:,}")

    def rules(self, field: str, given: dict[str, Any]) -> dict[str, Any]:
        limits = dict(given.pop("media", {}))
        reader = reader_of(given["media_type"])
        known = reader.LIMITS if reader else ()
        if unknown := [word for word in limits if word not in known]:
            told = f"it has {', '.join(known)}" if known else "nothing is known of what such bytes hold"
            raise fault(field, f"media has no '{unknown[0]}' for {given['media_type']}; {told}")
        return given | ({"media": tuple(limits.items())} if limits else {})

    def label_fault(self, field: FieldSpec) -> str | None:
        return "bytes cannot be a label: name classes, as in Literal['a', 'b'], or make a number of them"

    def refusals(self, field: FieldSpec, value: pl.Expr) -> list[tuple[str, pl.Expr]]:
        size = value.bin.size()
        checks = [("empty", size == 0), (f"larger than {field.max_bytes:,} bytes", size > field.max_bytes)]
        reader = reader_of(field.media_type)
        return checks + [
            (reason, _fault(field, value) == reason) for reason in (reader.reasons(field) if reader else ())
        ]

    def good(self, field: FieldSpec, value: pl.Expr) -> list[pl.Expr]:
        size = value.bin.size()
        kept = [(size > 0) & (size <= field.max_bytes)]
        # Read once, whatever may be wrong with it.
        return [*kept, _fault(field, value).is_null()] if reader_of(field.media_type) else kept

    def bits(self, name: str) -> pl.Expr:
        return hashed(name)

    def of_text(self, column: pl.Expr) -> pl.Expr | None:
        return column.str.decode("base64", strict=False)


def _fault(field: FieldSpec, value: pl.Expr) -> pl.Expr:
    """Return why bytes are not what their media type and the limits of the field say, null where they are."""
    reader = reader_of(field.media_type)
    assert reader is not None, "only asked where what bytes hold can be read"

    def fault_of(data: bytes | None) -> str | None:
        if not data or len(data) > (field.max_bytes or 0):
            # Refused for that, and not read.
            return None
        try:
            reader.read(data, field)
        except ValueError as error:
            return str(error)
        return None

    def read(values: pl.Series) -> pl.Series:
        return pl.Series(values.name, [fault_of(one) for one in values], dtype=pl.String)

    return value.map_batches(read, return_dtype=pl.String, is_elementwise=True)


TYPES = (BytesColumn(),)
