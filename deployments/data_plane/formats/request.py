"""Requests against the contract: JSON in, checked rows out, or an error that names the row, the field and the reason.

The decoder is compiled from the contract that lies in the build, so what is served and what is checked cannot part.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from components.artefacts.inference import InvalidRow as InvalidRow
from components.artefacts.inference import Row as Row
from data_contracts.description.field_types import annotation
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type

# What msgspec says where: "Expected `int`, got `str` - at `$[3].plane_age`".
_PLACE = re.compile(r" - at `\$(?:\[(?P<row>\d+|\.\.\.)\])?(?:\.(?P<field>.*))?`$")
# What JSON takes for blanks, however many.
_BLANKS = re.compile(rb"[ \t\n\r]*")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<field>.*)`$")
_ABSENT = re.compile(r"^Object missing required field `(?P<field>.*)`$")


class MalformedRequest(ValueError):
    """The body is not what its content type says."""


class TooManyRows(ValueError):
    """The request holds more rows than may be asked at once."""


class RowDecoder:
    """Decodes request bodies to rows: tuples in the order of the contract's inputs."""

    def __init__(self, contract: ContractSpec, max_rows: int) -> None:
        self.fields: tuple[FieldSpec, ...] = contract.inputs
        self.max_rows = max_rows
        # Rows hold no references to each other: the garbage collector need not look at them.
        self._type = msgspec.defstruct(
            contract.name,
            # A column may be called what no attribute of Python is.
            [(f"field_{place}", annotation(field)) for place, field in enumerate(self.fields)],
            rename={f"field_{place}": field.name for place, field in enumerate(self.fields)},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        self._one = msgspec.json.Decoder(self._type)
        self._many = msgspec.json.Decoder(list[self._type])  # type: ignore[name-defined]
        self._allowed = {field.name: field for field in self.fields}
        # What msgspec does not ask, such as the bounds of a moment.
        self._faults = [
            (place, field, fault)
            for place, field in enumerate(self.fields)
            if (fault := value_type(field.dtype).fault(field)) is not None
        ]
        self._afterwards = {field.name for field in contract.fields} - self._allowed.keys()

    def decode(self, body: bytes) -> list[Row]:
        """Return the rows of a body: one JSON object, or a list of them.

        Raises MalformedRequest for what is not JSON, InvalidRow for the first row that breaks the contract, and
        TooManyRows.
        """
        try:
            rows = [msgspec.structs.astuple(self._one.decode(body))] if body[:1] == b"{" else self._rows(body)
        except msgspec.ValidationError as error:
            raise self._explain(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedRequest(f"the body is not JSON: {error}") from None
        return self._without_fault(rows) if self._faults else rows

    def check(self, rows: Sequence[Any]) -> list[Row]:
        """Return rows given as plain values (from another protocol), checked in the same way."""
        if len(rows) > self.max_rows:
            raise TooManyRows(f"{len(rows)} rows in one request; at most {self.max_rows}")
        try:
            found = [msgspec.structs.astuple(row) for row in msgspec.convert(rows, list[self._type])]  # type: ignore[name-defined]
        except msgspec.ValidationError as error:
            raise self._explain(str(error)) from None
        return self._without_fault(found) if self._faults else found

    def _without_fault(self, rows: list[Row]) -> list[Row]:
        for number, row in enumerate(rows):
            for place, field, fault in self._faults:
                value = row[place]
                wrong = None if value is None else fault(value)
                if wrong:
                    raise InvalidRow(number, field.name, wrong)
        return rows

    def _rows(self, body: bytes) -> list[Row]:
        blanks = _BLANKS.match(body)
        at = blanks.end() if blanks else 0
        start = body[at : at + 1]
        if start == b"{":
            return [msgspec.structs.astuple(self._one.decode(body))]
        if start and start != b"[":
            msgspec.json.decode(body)
            raise InvalidRow(0, None, "the body must be one row (an object) or a list of rows")
        rows = self._many.decode(body)
        if not rows:
            raise InvalidRow(0, None, "the list holds no row")
        if len(rows) > self.max_rows:
            raise TooManyRows(f"{len(rows)} rows in one request; at most {self.max_rows}")
        return [msgspec.structs.astuple(row) for row in rows]

    def _explain(self, message: str) -> InvalidRow:
        place = _PLACE.search(message)
        what = message[: place.start()] if place else message
        row = int(place["row"]) if place and (place["row"] or "").isdigit() else 0
        if found := _UNKNOWN.match(what):
            if found["field"] in self._afterwards:
                return InvalidRow(row, found["field"], "known only after the outcome; leave it out")
            return InvalidRow(row, found["field"], f"unknown field; a row has {', '.join(self._allowed)}")
        if found := _ABSENT.match(what):
            absent = self._allowed[found["field"]]
            return InvalidRow(row, absent.name, f"missing; {'send null if unknown' if absent.nullable else 'required'}")
        field = self._named(place["field"] or "" if place else "")
        name = field.name if field else None
        if field and what.startswith("Invalid enum value"):
            what = f"{what}; allowed: {', '.join(str(value) for value in field.allowed)}"
        return InvalidRow(row, name, what.replace("`", ""))

    def _named(self, path: str) -> FieldSpec | None:
        """Return the field that a path of msgspec's begins with: a name may have dots and brackets of its own."""
        found = [name for name in self._allowed if path == name or path.startswith((f"{name}[", f"{name}."))]
        return self._allowed[max(found, key=len)] if found else None
