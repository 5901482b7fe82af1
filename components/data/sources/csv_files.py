"""CSV as a source: every value is read as text, and what is wrong with the form of a file is told with its line.

The reader takes a row that ends early for one whose last values are missing. It is a broken row: a file was cut, or a
line break stands in a value.
"""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from components.artefacts.errors import SourceError
from components.data.sources.casting import BESIDE
from components.data.sources.unpacking import Located
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec

# Whether a row may end early: its last value is missing.
SHORT = f"{BESIDE}short"
HEAD = 2**20
# Lines above the header that are looked at to tell where it is.
ABOVE = 30
_TOO_LONG = "field larger"
_OPEN = 'a quote sign (") opens a value that does not end: close it, or double the sign inside a value'
# What Python's reader says, by how it begins, and what it means.
_MEANINGS = {
    "unexpected end": _OPEN,
    _TOO_LONG: _OPEN,
    "new-line character": "a carriage return stands inside the line: end every line with LF, or every one with CR LF",
    "'": 'a value goes on behind the quote sign (") that closes it: double the sign inside a value',
}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def open_csv(file: Located, source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    """Return the rows of a CSV file; SourceError for one whose header cannot be right."""
    separator = _separator(file, source)
    if len(separator.encode()) > 1 or separator in '"\r\n':
        raise SourceError(
            f"source {file.name}: source.separator {separator!r} separates nothing: it must be one character of ASCII, "
            "and neither a quote sign nor a line end"
        )
    _check_header(file, separator, {field.name for field in contract.fields})
    rows = pl.scan_csv(
        file.place, glob=False, infer_schema=False, separator=separator, null_values=list(source.null_values) or None
    )
    return rows.with_columns(pl.nth(_width(rows) - 1).is_null().alias(SHORT))


def separator_of(file: Path, source: Source, wanted: set[str]) -> str:
    """Return the separator that a file's header shows, if it is not the declared one; for a file that is only alike."""
    with file.open("rb") as stream:
        first = stream.read(HEAD).lstrip().partition(b"\n")[0].decode("utf-8-sig", errors="replace")
    declared = _separator(Located(file, str(file)), source)
    fits = [sign for sign in (declared, ",", ";", "\t", "|") if wanted & set(_fields([first], sign))]
    return fits[0] if fits else declared


def find_short_row(file: Located, source: Source) -> str | None:
    """Return which row has fewer values than the header, None if none has; a second reading of the file."""
    separator = _separator(file, source)
    width = _width(pl.scan_csv(file.place, glob=False, infer_schema=False, separator=separator))
    line = pl.col("line")
    bare = line.str.replace_all(r'"[^"]*"', "")
    few = bare.str.count_matches(separator, literal=True) < width - 1
    doubtful = (few & (line.str.strip_chars() != "")) | bare.str.contains('"', literal=True)
    lines = pl.scan_lines(file.place, glob=False)
    if not lines.select(doubtful.any()).collect(engine="streaming").item():
        return None
    return _fault(file, separator, least=width)


def find_csv_fault(file: Located, source: Source) -> str | None:
    """Return what is wrong with the form of a file, and in which line; None if nothing is found."""
    return _fault(file, _separator(file, source), least=0)


def _separator(file: Located, source: Source) -> str:
    tabs = Path(file.place).suffix.lower() == ".tsv" and source.separator == ","
    return "\t" if tabs else source.separator


def _width(rows: pl.LazyFrame) -> int:
    """Return how many values a row must have: columns without a name at the end of a header may be left out."""
    names = rows.collect_schema().names()
    named = [place for place, name in enumerate(names, 1) if name and not name.startswith("_duplicated_")]
    return named[-1] if named else len(names)


def _fault(file: Located, separator: str, least: int) -> str | None:
    """Read a file row by row, as slowly as that is, and say where a row has less than ``least`` values, or too many.

    A value of more than 131,072 characters is taken for one whose quote sign does not close.
    """
    lines = _Lines(Path(file.place))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    start, most, stray = 1, 0, None
    try:
        for row in reader:
            most = most or len(row)
            told = f"source {file.name}: line {start} has {len(row)} value{'s' * (len(row) != 1)}, the header {most}"
            if len(row) > most:
                return f"{told}: put a value that holds the separator {separator!r} in quotes"
            if least and len(row) < least and any(row):
                return f"{told}: a row that ends early is broken. Mend it, or remove it"
            if stray is None and '"' in _QUOTED.sub("", lines.last) and reader.line_num == start:
                stray = start
            start = reader.line_num + 1
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return f"source {file.name}: line {lines.number} is not UTF-8 (byte 0x{byte:02x}): convert the file to UTF-8"
    except csv.Error as error:
        if least and str(error).startswith(_TOO_LONG):
            return None
        meaning = next((text for sign, text in _MEANINGS.items() if str(error).startswith(sign)), str(error))
        return f"source {file.name}: line {start}: {meaning}"
    if stray is None or least:
        return None
    return (
        f"source {file.name}: line {stray} has a quote sign inside a value that is not in quotes: put the value in "
        'quotes and double the sign, as in "5"" pipe"'
    )


class _Lines:
    """The lines of a text file, each decoded by itself so that the place of a bad byte is known."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self.last = ""
        self._path = path

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as stream:
            for self.number, line in enumerate(stream, 1):
                self.last = line.decode("utf-8-sig" if self.number == 1 else "utf-8")
                yield self.last


def _check_header(file: Located, separator: str, wanted: set[str]) -> None:
    with Path(file.place).open("rb") as stream:
        start = stream.read(HEAD)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start[:1000]:
        raise SourceError(f"source {file.name} is not UTF-8 text (it looks like UTF-16 or binary): convert it to UTF-8")
    first = start.lstrip().partition(b"\n")[0]
    if b"\r" in first[:-1] and not re.search(rb'"[^"]*\r', first):
        raise SourceError(
            f"source {file.name}: its lines end in CR alone, as on an old Macintosh: convert the line ends to LF"
        )
    if len(first) == len(start) == HEAD:
        raise SourceError(f"source {file.name}: the first line is longer than {HEAD:,} bytes; is this a CSV file?")
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"source {file.name}: the header is not UTF-8 ({error.reason}): convert the file") from error
    header = _fields([text], separator)
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise SourceError(f"source {file.name}: the header names {', '.join(repr(name) for name in twice[:3])} twice")
    if not wanted & set(header):
        for other in (";", "\t", "|", ","):
            if other != separator and wanted & set(_fields([text], other)):
                raise SourceError(
                    f"source {file.name} is separated by {other!r}, not {separator!r}: set source.separator"
                )
        _look_below(file, start, separator, wanted)


def _look_below(file: Located, start: bytes, separator: str, wanted: set[str]) -> None:
    """Say where the header is, if it is not in the first line."""
    for number, line in enumerate(start.splitlines()[:ABOVE], 1):
        names = set(_fields([line.decode("utf-8", errors="replace")], separator))
        if len(wanted & names) * 2 > len(wanted):
            raise SourceError(
                f"source {file.name}: the header is in line {number}, not in the first: remove the lines above it"
            )


def _fields(lines: Iterable[str], separator: str) -> list[str]:
    try:
        return next(itertools.islice(csv.reader(lines, delimiter=separator), 1), [])
    except csv.Error:
        return []
