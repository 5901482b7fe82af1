"""A table that nobody has described yet: opened as its source would be, every column as it is written."""

import csv
import re
from collections import Counter
from pathlib import Path

import polars as pl

from components.artefacts.errors import SourceError
from components.data.sources.casting import BESIDE
from components.data.sources.csv_files import HEAD
from components.data.sources.json_lines import keys_of
from components.data.sources.object_storage import fetch, find_objects
from components.data.sources.source_files import FORMATS, find_files, is_remote, open_files
from components.data.sources.unpacking import PACKED, Located, unpack
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.field_names import name_fault

_SIGNS = (",", ";", "\t", "|")


def open_table(path: str, scratch: Path) -> tuple[Source, pl.LazyFrame]:
    """Return a source and its rows, all columns; SourceError if it is missing or cannot be read."""
    source = Source(path=path)
    first = _first(source, scratch)
    kind = FORMATS.get(Path(first.place).suffix.lower(), "csv")
    if kind == "csv":
        source = source.model_copy(update={"format": "csv", "separator": _separator(first)})
    wanted = _columns(first, kind, source, scratch)
    described = ContractSpec(
        name="the table",
        description="",
        fields=tuple(FieldSpec(name=name, dtype="string", description="", nullable=True) for name in wanted),
    )
    rows = open_files(source, described, scratch).rows
    names = rows.collect_schema().names()
    kept = tuple(name for name in names if not name.startswith(BESIDE))
    renamed = inside_names(kept, frozenset())
    columns = [pl.nth(place).alias(renamed.get(name, name)) for place, name in enumerate(names) if name in kept]
    return source.model_copy(update={"rename": renamed}), rows.select(columns)


def is_csv(source: Source) -> bool:
    """Tell whether a source that was opened is of CSV."""
    return source.format == "csv"


def _first(source: Source, scratch: Path) -> Located:
    """Return a file whose columns are those of all."""
    path = str(source.path)
    if is_remote(path):
        address = find_objects(path)[0]
        located = Located(fetch(address, scratch), address)
    else:
        file = find_files(source)[0]
        located = Located(file, str(file))
    if Path(located.place).suffix.lower() in PACKED:
        room = source.max_unpacked_bytes
        return unpack(Path(located.place), located.name, scratch, room, room, tuple(FORMATS))[0]
    return located


def _columns(first: Located, kind: str, source: Source, scratch: Path) -> list[str]:
    if kind == "jsonl":
        return sorted(keys_of(first))
    alone = source.model_copy(update={"path": str(first.place)})
    nothing = ContractSpec(name="the table", description="", fields=())
    names = open_files(alone, nothing, scratch).rows.collect_schema().names()
    return [name for name in names if not name.startswith(BESIDE)]


def _separator(file: Located) -> str:
    """Return the sign that divides the first lines into as many values each."""
    with Path(file.place).open("rb") as stream:
        start = stream.read(HEAD).decode("utf-8-sig", errors="replace")
    lines = [line for line in start.splitlines()[:50] if line.strip()]
    if len(lines) > 2 and len(start) >= HEAD - 4:
        lines = lines[:-1]
    if not lines:
        raise SourceError(f"source {file.name} is empty")
    found = {sign: _even(lines, sign) for sign in _SIGNS}
    best = max(found, key=lambda sign: found[sign])
    return best if found[best] > (0, 1) else ","


def _even(lines: list[str], sign: str) -> tuple[float, int]:
    """Return the share of lines that have as many values as the first, and how many those are."""
    widths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
    width = widths[0] if widths else 0
    return (Counter(widths)[width] / len(widths) if width > 1 else 0.0, width)


def inside_names(names: tuple[str, ...], taken: frozenset[str]) -> dict[str, str]:
    """Return columns that the pipeline cannot call as the source does, each with another name."""
    renamed: dict[str, str] = {}
    for place, name in enumerate(names):
        if name in taken or name_fault(name):
            plain = re.sub(r"\W+", "_", name).strip("_").lower() or f"column_{place + 1}"
            fresh = plain if plain not in taken and plain not in names else f"{plain}_column"
            while fresh in taken or fresh in names or fresh in renamed.values():
                fresh += "_"
            renamed[name] = fresh[:150]
    return renamed
