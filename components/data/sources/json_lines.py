"""JSON lines as a source: every value is read as its text, and a key that a line lacks is null, as JSON has it."""

import glob
import json
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from components.artefacts.errors import ContractError, SourceError
from components.data.sources.casting import tell_missing
from components.data.sources.unpacking import Located
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec

MARK = b"\xef\xbb\xbf"
# How much of a file is read to see which keys it has.
HEAD = 2**20
LONGEST = 2**27


def open_json_lines(file: Located, source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    """Return the rows of a JSON-lines file; ContractError names a required key that no line has."""
    path = Path(file.place)
    required = {field.name for field in contract.fields if not field.nullable}
    keys = keys_of(file, required)
    with path.open("rb") as stream:
        if stream.read(len(MARK)) == MARK:
            # Polars takes it for a part of the first line.
            path = scratch / f"unmarked-{len(list(scratch.iterdir()))}.jsonl"
            with path.open("wb") as out:
                shutil.copyfileobj(stream, out, 2**20)
    others = sorted(keys - {field.name for field in contract.fields})
    alike = {key.lower().strip() for key in others}
    # One that may be missing and stands there under nearly its name is missed by mistake.
    absent = [
        field.name
        for field in contract.fields
        if field.name not in keys and (not field.nullable or field.name.lower() in alike)
    ]
    if absent:
        raise ContractError(tell_missing(absent, sorted(keys), contract, f"source {file.name}"))
    # It knows no glob=False: unescaped, a path with brackets is another file or none.
    return pl.scan_ndjson(glob.escape(str(path)), schema={field.name: pl.String for field in contract.fields})


def find_json_fault(file: Located, source: Source) -> str | None:
    """Return which line is not a JSON object that can be read, None if every one is."""
    try:
        for line in _objects(file):
            for key, value in line.found.items():
                if isinstance(value, int) and abs(value) >= 10**308:
                    return f"source {file.name}: line {line.number}: '{key}' is a number of more than 308 digits"
    except SourceError as error:
        return str(error)
    return None


def has_large(name: str) -> pl.Expr:
    """Return whether an integer column has a value that a float may stand for that is another number as well."""
    return ~pl.col(name).is_between(1 - 2**53, 2**53 - 1).all()


def find_inexact_integer(file: Located, names: Collection[str]) -> str | None:
    """Return where a value of these keys is a float from 2^53 on, None if there is none; a second reading of the file.

    The reader hands such a number on as its nearest float, and as if it were written without a point.
    """
    keys = "|".join(re.escape(json.dumps(name)) for name in names)
    suspect = pl.col("line").str.contains(rf"(?:{keys})\s*:\s*-?[0-9.]*(?:[eE]|[0-9]{{16}}\.)")
    if not pl.scan_lines(file.place, glob=False).select(suspect.any()).collect(engine="streaming").item():
        return None
    for line in _objects(file):
        for name in names:
            value = line.found.get(name)
            if isinstance(value, float) and abs(value) >= 2**53:
                return (
                    f"source {file.name}: line {line.number}: '{name}' is {value!r}, a float too large to be a certain "
                    "integer (2^53 and more): write it without a point or an exponent"
                )
    return None


def keys_of(file: Located, required: Collection[str] = frozenset()) -> set[str]:
    """Return the keys of the first lines, and of as many more as it takes to find all that are required."""
    keys: set[str] = set()
    for line in _objects(file):
        keys |= line.found.keys()
        if line.read >= HEAD and keys.issuperset(required):
            break
    return keys


class _Line(NamedTuple):
    """A line: its number from 1, how many bytes were read up to its end, and its object."""

    number: int
    read: int
    found: dict[str, object]


def _objects(file: Located) -> Iterator[_Line]:
    """Yield each line that is not blank; SourceError for one that is no object."""
    read = 0
    with Path(file.place).open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST):
            number += 1
            read += len(line)
            if len(line) == LONGEST:
                raise SourceError(
                    f"source {file.name}: line {number} is longer than {LONGEST:,} bytes: write one object a line"
                )
            text = line.removeprefix(MARK) if number == 1 else line
            if not text.strip():
                continue
            try:
                yield _Line(number, read, msgspec.json.decode(text, type=dict[str, object]))
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                raise SourceError(
                    f"source {file.name}: line {number} is not UTF-8 (byte 0x{byte:02x}): convert the file to UTF-8"
                ) from error
            except (msgspec.MsgspecError, RecursionError) as error:
                raise SourceError(
                    f"source {file.name}: line {number} is not a JSON object: {error}. Mend the line, or remove it"
                ) from error
