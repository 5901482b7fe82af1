"""Files as a source: Parquet, CSV, Arrow IPC and JSON lines; one, a folder or a pattern of them, here or in S3.

Text formats are read as text: the contract says what a value is, not a guess.
"""

import csv
import glob
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import msgspec
import polars as pl

from components.data.casting import as_text
from components.data.object_storage import fetch, find_objects
from components.data.unpacking import PACKED, unpack
from components.declaration import Source
from components.errors import SourceError
from data_contracts.spec import ContractSpec

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
HEADER_LIMIT = 2**20


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
        found = sorted(file for file in path.rglob("*") if file.is_file() and _is_data(file))
        if not found:
            raise SourceError(f"source {text} is a folder without a data file ({', '.join([*FORMATS, *PACKED])})")
        return found
    if path.exists():
        raise SourceError(f"source {text} is neither a file nor a folder")
    if not glob.has_magic(text):
        raise SourceError(f"source {text} does not exist (looked from {Path.cwd()})")
    # Path.glob takes no absolute pattern.
    found = sorted(Path(name) for name in glob.glob(text, recursive=True) if Path(name).is_file())  # noqa: PTH207
    if not found:
        raise SourceError(f"source {text} matches no file (looked from {Path.cwd()})")
    return found


def open_files(source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    """Return the rows of all files of a source, in the order of their names."""
    path = str(source.path)
    if not is_remote(path):
        return _open_all(find_files(source), source, contract, scratch)
    nearer = {address: _near(address, source, scratch) for address in find_objects(path)}
    try:
        return _open_all(list(nearer.values()), source, contract, scratch)
    except SourceError as error:
        text = str(error)
        for address, file in nearer.items():
            text = text.replace(str(file), address)
        raise SourceError(text) from error


def _open_all(found: Sequence[Path | str], source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    files: list[Path | str] = []
    left = source.max_unpacked_bytes
    for file in found:
        if isinstance(file, Path) and file.suffix.lower() in PACKED:
            unpacked = unpack(file, scratch, left, source.max_unpacked_bytes)
            left -= sum(part.stat().st_size for part in unpacked)
            files += unpacked
        else:
            files.append(file)
    formats = {file: source.format or _format_of(PurePosixPath(file).name) for file in files}
    if len(set(formats.values())) > 1:
        raise SourceError(f"source {source.path} mixes formats ({', '.join(sorted(set(formats.values())))}): use one")
    opener = _OPENERS[formats[files[0]]]
    frames = [
        pl.scan_parquet(file, hive_partitioning=False) if isinstance(file, str) else opener(file, source, contract)
        for file in files
    ]
    return _joined([_Part(file, frame) for file, frame in zip(files, frames, strict=True)], contract)


def _near(address: str, source: Source, scratch: Path) -> Path | str:
    """Return what is read where it lies, Parquet, as its address, and everything else as a file fetched to here.

    So an object in text is judged as a local file is: its header, its keys, what it unpacks to.
    """
    name = PurePosixPath(address)
    packed = name.suffix.lower() in PACKED
    remote = not packed and (source.format or _format_of(name.name)) == "parquet"
    return address if remote else fetch(address, scratch)


class _Part:
    """A file and its rows; the schema is read once."""

    def __init__(self, file: Path | str, frame: pl.LazyFrame) -> None:
        self.file = file
        self.frame = frame
        try:
            self.schema = frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(f"source {file} cannot be read: {one_line(error)}") from error


def _joined(parts: list[_Part], contract: ContractSpec) -> pl.LazyFrame:
    """Put the parts below each other; a column of several types becomes text, for the contract to read."""
    first = parts[0].schema
    if len(parts) == 1:
        return parts[0].frame
    names = [field.name for field in contract.fields if field.name in first]
    for part in parts[1:]:
        if missing := [name for name in names if name not in part.schema]:
            raise SourceError(
                f"source {part.file} has no column '{missing[0]}', which {PurePosixPath(parts[0].file).name} has"
            )
    if not names:
        return parts[0].frame
    mixed = {name for name in names if len({part.schema[name] for part in parts}) > 1}
    return pl.concat(
        [
            part.frame.select(
                as_text(pl.col(name), part.schema[name]) if name in mixed else pl.col(name) for name in names
            )
            for part in parts
        ],
        how="vertical",
    )


def _open_parquet(file: Path, source: Source, contract: ContractSpec) -> pl.LazyFrame:
    _refuse_empty(file)
    return pl.scan_parquet(file, glob=False, hive_partitioning=False)


def _open_ipc(file: Path, source: Source, contract: ContractSpec) -> pl.LazyFrame:
    _refuse_empty(file)
    with file.open("rb") as stream:
        seekable = stream.read(6) == b"ARROW1"
    # The streaming format has no index at its end, so it cannot be scanned.
    return pl.scan_ipc(file, glob=False) if seekable else pl.read_ipc_stream(file).lazy()


def _open_csv(file: Path, source: Source, contract: ContractSpec) -> pl.LazyFrame:
    _refuse_empty(file)
    separator = "\t" if file.suffix.lower() == ".tsv" and source.separator == "," else source.separator
    _check_header(file, separator, contract)
    return pl.scan_csv(
        file, glob=False, infer_schema=False, separator=separator, null_values=list(source.null_values) or None
    )


def _open_jsonl(file: Path, source: Source, contract: ContractSpec) -> pl.LazyFrame:
    _refuse_empty(file)
    present = _keys(file)
    frame = pl.scan_ndjson(file, schema={field.name: pl.String for field in contract.fields})
    # The reader makes null of a field that no line has: only the text can tell that it is not there.
    return frame.select([field.name for field in contract.fields if field.name in present])


def _keys(file: Path) -> set[str]:
    """Return the keys of the first lines of a JSON-lines file."""
    with file.open("rb") as stream:
        lines = stream.read(HEADER_LIMIT).splitlines()
    whole = lines if file.stat().st_size <= HEADER_LIMIT else lines[:-1]
    keys: set[str] = set()
    for number, line in enumerate(whole, 1):
        if line.strip():
            try:
                keys |= msgspec.json.decode(line, type=dict[str, object]).keys()
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise SourceError(f"source {file}: line {number} is not a JSON object: {error}") from error
    return keys


_OPENERS: dict[str, Callable[[Path, Source, ContractSpec], pl.LazyFrame]] = {
    "parquet": _open_parquet,
    "csv": _open_csv,
    "ipc": _open_ipc,
    "jsonl": _open_jsonl,
}


def _is_data(file: Path) -> bool:
    hidden = file.name.startswith((".", "_"))
    return not hidden and file.suffix.lower() in {*FORMATS, *PACKED}


def _format_of(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in FORMATS:
        raise SourceError(
            f"source {name}: the ending '{suffix}' tells no format; known: {', '.join([*FORMATS, *PACKED])}. "
            "Give source.format"
        )
    return FORMATS[suffix]


def _refuse_empty(file: Path) -> None:
    if not file.stat().st_size:
        raise SourceError(f"source {file} is empty (0 bytes)")


def _check_header(file: Path, separator: str, contract: ContractSpec) -> None:
    with file.open("rb") as stream:
        start = stream.read(HEADER_LIMIT)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start[:1000]:
        raise SourceError(f"source {file} is not UTF-8 text (it looks like UTF-16 or binary): convert it to UTF-8")
    lines = start.lstrip().splitlines(keepends=True)
    try:
        text = (lines[0] if lines else b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"source {file}: the header is not UTF-8 ({error.reason}): convert the file") from error
    if lines and len(lines) == 1 and len(start) == HEADER_LIMIT:
        raise SourceError(f"source {file}: the first line is longer than {HEADER_LIMIT:,} bytes; is this a CSV file?")
    header = _fields([text], separator)
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise SourceError(f"source {file}: the header names {', '.join(repr(name) for name in twice[:3])} twice")
    wanted = {field.name for field in contract.fields}
    if not wanted & set(header):
        for other in (";", "\t", "|", ","):
            if other != separator and wanted & set(_fields([text], other)):
                raise SourceError(f"source {file} is separated by {other!r}, not {separator!r}: set source.separator")


def _fields(lines: Iterable[str], separator: str) -> list[str]:
    try:
        return next(itertools.islice(csv.reader(lines, delimiter=separator), 1), [])
    except csv.Error:
        return []


def one_line(error: BaseException) -> str:
    """Return an error's text on one line, without the hints that make sense to a programmer alone."""
    text = " ".join(str(error).split())
    for hint in (" You might want to try:", " This error occurred", " Consider setting", " Resolved plan"):
        text = text.partition(hint)[0]
    return text[:300]
