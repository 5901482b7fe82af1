"""Files as a source: Parquet, CSV, Arrow IPC and JSON lines; one, a folder or a pattern of them, here or in S3.

Text formats are read as text: the contract says what a value is, not a guess.
"""

import glob
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec
import polars as pl

from components.artefacts.errors import SourceError
from components.data.sources import whole_files
from components.data.sources.arrow_files import open_arrow
from components.data.sources.casting import as_text
from components.data.sources.csv_files import SHORT, find_csv_fault, find_short_row, open_csv
from components.data.sources.found_files import files_below, is_paper, matching_files, partitions
from components.data.sources.json_lines import find_inexact_integer, find_json_fault, open_json_lines
from components.data.sources.object_storage import fetch, find_objects
from components.data.sources.unpacking import PACKED, Located, unpack
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec, FieldSpec

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# Which file of several a row came from, by its place among them.
FILE = "slipway:file"


class Opened(NamedTuple):
    """Rows of a source, as far as possible unread, and the files to look at again when something is wrong.

    Beside what the files hold, ``rows`` may have the columns ``SHORT`` (the row may end early) and ``FILE``.
    """

    rows: pl.LazyFrame
    source: Source
    files: tuple[Located, ...] = ()
    format: str = ""

    def fault(self) -> str | None:
        """Look for what made reading fail, and return it with its file and line; None if nothing is found."""
        find = {"csv": find_csv_fault, "jsonl": find_json_fault}.get(self.format)
        faults = (find(file, self.source) for file in self.files) if find else ()
        return next((fault for fault in faults if fault), None)

    def refuse_short_rows(self) -> None:
        """Raise SourceError for a row of a CSV file that has fewer values than the header."""
        for file in self.files:
            if fault := find_short_row(file, self.source):
                raise SourceError(fault)

    def uncertain(self, contract: ContractSpec) -> list[FieldSpec]:
        """Return the fields that may hold an integer that was a float: JSON has one kind of number."""
        return [field for field in contract.fields if field.dtype == "integer" and self.format == "jsonl"]

    def refuse_inexact(self, names: Collection[str]) -> None:
        """Raise SourceError for an integer of JSON lines that is written as a float too large to be certain."""
        for file in self.files:
            if names and (fault := find_inexact_integer(file, names)):
                raise SourceError(fault)

    def renamed(self, text: str) -> str:
        """Return a message with the names of the files for the places where they were read."""
        for file in self.files:
            text = text.replace(str(file.place), file.name)
        return text


def is_remote(path: str) -> bool:
    """Tell whether a path is an address."""
    return "://" in path


def find_files(source: Source) -> list[Path]:
    """Return the local files of a source, sorted by name; SourceError if there are none."""
    text = str(source.path)
    path = Path(text)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [file for file in files_below(path) if _is_data(file, source)]
        if not found:
            raise SourceError(f"source {text} is a folder without a data file ({', '.join([*FORMATS, *PACKED])})")
        return found
    if path.exists():
        raise SourceError(f"source {text} is neither a file nor a folder")
    if not glob.has_magic(text):
        raise SourceError(f"source {text} does not exist (looked from {Path.cwd()})")
    found = [file for file in matching_files(text) if not is_paper(file.name)]
    if not found:
        raise SourceError(f"source {text} matches no file (looked from {Path.cwd()})")
    return found


def open_files(source: Source, contract: ContractSpec, scratch: Path) -> Opened:
    """Open all files of a source, in the order of their names."""
    path = str(source.path)
    if is_remote(path):
        found = [_near(address, source, scratch) for address in find_objects(path)]
    else:
        found = [Located(file, str(file)) for file in find_files(source)]
    if source.format == whole_files.FORMAT:
        root = Path(path) if Path(path).is_dir() else Path(path).parent
        local = [
            Located(one.place if isinstance(one.place, Path) else fetch(one.name, scratch), one.name) for one in found
        ]
        return Opened(whole_files.open_whole_files(local, root, contract, scratch), source, (), whole_files.FORMAT)
    files: list[Located] = []
    left = source.max_unpacked_bytes
    for file in found:
        if isinstance(file.place, Path) and file.place.suffix.lower() in PACKED:
            endings = tuple(ending for ending, kind in FORMATS.items() if source.format in (None, kind))
            unpacked = unpack(
                file.place, file.name, scratch, left, source.max_unpacked_bytes, endings, or_any=bool(source.format)
            )
            left -= sum(Path(part.place).stat().st_size for part in unpacked)
            files += unpacked
        else:
            files.append(file)
    formats = {source.format or _format_of(file) for file in files}
    if len(formats) > 1:
        raise SourceError(f"source {source.path} mixes formats ({', '.join(sorted(formats))}): use one")
    kind = formats.pop()
    parts = [_open(file, kind, source, contract, scratch) for file in files]
    rows = _joined(parts, contract)
    if source.files is not None:
        rows = whole_files.read_named(rows, contract, Path(source.files), scratch)
    return Opened(rows, source, tuple(files), kind)


def one_line(error: BaseException) -> str:
    """Return an error's text on one line, without the hints that make sense to a programmer alone."""
    text = " ".join(str(error).split())
    for hint in (" You might want to try:", " This error occurred", " Consider setting", " Resolved plan"):
        text = text.partition(hint)[0]
    return text[:300]


def _near(address: str, source: Source, scratch: Path) -> Located:
    """Return what is read where it lies, Parquet, at its address, and everything else as a file fetched to here.

    So an object in text is judged as a local file is: its header, its keys, what it unpacks to.
    """
    name = PurePosixPath(address)
    packed = name.suffix.lower() in PACKED
    remote = not packed and (source.format or _format_of(Located(address, address))) == "parquet"
    return Located(address if remote else fetch(address, scratch), address)


class _Part(NamedTuple):
    """A file and its rows; the schema is read once."""

    file: Located
    rows: pl.LazyFrame
    schema: pl.Schema


def _open(file: Located, kind: str, source: Source, contract: ContractSpec, scratch: Path) -> _Part:
    told_by_folder = partitions(file.name, contract)
    # JSON lines are read as the contract names them, other files as they are.
    inside = tuple(field for field in contract.fields if field.name not in told_by_folder)
    try:
        if isinstance(file.place, Path) and not file.place.stat().st_size:
            raise SourceError(f"source {file.name} is empty (0 bytes)")
        rows = _OPENERS[kind](file, source, msgspec.structs.replace(contract, fields=inside), scratch)
        names = rows.collect_schema().names()
        given = {name: text for name, text in told_by_folder.items() if name not in names}
        rows = rows.with_columns(pl.lit(text, dtype=pl.String).alias(name) for name, text in given.items())
        return _Part(file, rows, rows.collect_schema())
    except (pl.exceptions.PolarsError, OSError) as error:
        told = one_line(error).replace(str(file.place), file.name)
        raise SourceError(f"source {file.name} cannot be read: {told}") from error


def _joined(parts: Sequence[_Part], contract: ContractSpec) -> pl.LazyFrame:
    """Put the parts below each other; a column of several types becomes text, for the contract to read."""
    first = parts[0]
    if len(parts) == 1:
        return first.rows
    names = [field.name for field in contract.fields if field.name in first.schema]
    for part in parts[1:]:
        if missing := [name for name in names if name not in part.schema]:
            shown = PurePosixPath(first.file.name.rpartition(": ")[2]).name
            raise SourceError(f"source {part.file.name} has no column '{missing[0]}', which {shown} has")
    if not names:
        return first.rows
    mixed = {name for name in names if len({part.schema[name] for part in parts}) > 1}
    names += [SHORT] if SHORT in first.schema else []

    def columns(part: _Part) -> list[pl.Expr]:
        return [as_text(pl.col(name), part.schema[name]) if name in mixed else pl.col(name) for name in names]

    return pl.concat(
        [
            part.rows.select(*columns(part), pl.lit(index, dtype=pl.UInt32).alias(FILE))
            for index, part in enumerate(parts)
        ],
        how="vertical",
    )


def _open_parquet(file: Located, source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    return pl.scan_parquet(file.place, glob=False, hive_partitioning=False)


_OPENERS: dict[str, Callable[[Located, Source, ContractSpec, Path], pl.LazyFrame]] = {
    "parquet": _open_parquet,
    "csv": open_csv,
    "ipc": open_arrow,
    "jsonl": open_json_lines,
}


def _is_data(file: Path, source: Source) -> bool:
    hidden = file.name.startswith((".", "_"))
    if source.format == whole_files.FORMAT:
        return not hidden and not is_paper(file.name)
    return not hidden and not is_paper(file.name) and file.suffix.lower() in {*FORMATS, *PACKED}


def _format_of(file: Located) -> str:
    suffix = PurePosixPath(file.place).suffix.lower()
    if suffix not in FORMATS:
        raise SourceError(
            f"source {file.name}: the ending '{suffix}' tells no format; known: {', '.join([*FORMATS, *PACKED])}. "
            "Give source.format"
        )
    return FORMATS[suffix]
