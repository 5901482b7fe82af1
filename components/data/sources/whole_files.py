"""Whole files as rows: each is the bytes (or the long text) of one row, and the folder that it lies in is its label.

    digits/three/0017.png      label "three", path "three/0017.png"

A table may also name files instead of holding them: ``read_named`` puts what the paths in a column name in its place.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.artefacts.errors import ContractError, SourceError
from components.data.parquet import rows_at_once
from components.data.sources.found_files import partitions
from components.data.sources.unpacking import Located
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type

FORMAT = "files"
PATH = "path"


def open_whole_files(files: Sequence[Located], root: Path, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    """Return a row for each file: its content, its folder as the label, its path, and what folders say (``key=value``).

    They are gathered in one file first, so that a hundred thousand are opened once, and no two at the same time. By
    name they would lie class by class, and the order of rows would tell the label: they are sorted by a hash of it.
    """
    files = sorted(files, key=lambda file: hashlib.sha256(_below(file, root).encode()).digest())
    content = content_field(contract)
    is_text = value_type(content.dtype).python is str
    types = {content.name: pa.large_binary()}
    target, size = scratch / "files.parquet", rows_at_once(contract)
    writer: pq.ParquetWriter | None = None
    try:
        for start in range(0, len(files), size):
            rows = [_row(file, root, content, contract) for file in files[start : start + size]]
            columns = {name: pa.array([row.get(name) for row in rows], types.get(name)) for name in rows[0]}
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(target, table.schema, use_dictionary=False, write_statistics=False)
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
    found = pl.scan_parquet(target, glob=False)
    # What is no UTF-8 is an error of the source.
    return found.with_columns(pl.col(content.name).cast(pl.String)) if is_text else found


def content_field(contract: ContractSpec) -> FieldSpec:
    """Return the one field that a file is the value of; ContractError unless there is one."""
    large = [field for field in contract.fields if value_type(field.dtype).python in (bytes, str) and _is_large(field)]
    if len(large) != 1:
        named = ", ".join(field.name for field in large) or "none"
        raise ContractError(
            f"{contract.name}: a source of whole files fills one field of bytes or long text, and there are "
            f"{len(large)} ({named}): keep one, or bring a table"
        )
    return large[0]


def read_named(rows: pl.LazyFrame, contract: ContractSpec, folder: Path, scratch: Path) -> pl.LazyFrame:
    """Return rows in which each path in a text column of a bytes field is replaced by the file's content, as base64.

    A path that names no file below the folder is told in place of it, so that its row is refused for it.
    """
    schema = rows.collect_schema()
    names = [
        field.name
        for field in contract.fields
        if value_type(field.dtype).python is bytes and schema.get(field.name) == pl.String
    ]
    if not names:
        raise SourceError(f"source.files: {contract.name} has no field of bytes whose column is text: leave it out")
    if not folder.is_dir():
        raise SourceError(f"source.files: {folder} is no folder (looked from {Path.cwd()})")
    inside = folder.resolve()

    def read(path: str | None) -> str | None:
        if path is None:
            return None
        place = (inside / path).resolve()
        if not place.is_relative_to(inside) or not place.is_file():
            return f"no such file below {folder}: {path}"
        return base64.b64encode(place.read_bytes()).decode()

    target, writer = scratch / f"named-{len(list(scratch.iterdir()))}.parquet", None
    try:
        for batch in rows.collect_batches(chunk_size=rows_at_once(contract), maintain_order=True):
            filled = batch.with_columns(pl.Series(name, map(read, batch[name]), dtype=pl.String) for name in names)
            table = filled.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(target, table.schema, use_dictionary=False, write_statistics=False)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    return pl.scan_parquet(target, glob=False) if writer is not None else rows


def _row(file: Located, root: Path, content: FieldSpec, contract: ContractSpec) -> dict[str, object]:
    place = Path(file.place)
    told = partitions(file.name, contract)
    row: dict[str, object] = {content.name: place.read_bytes()}
    known = {field.name: field for field in contract.fields}
    if contract.label.name not in told:
        row[contract.label.name] = place.parent.name
    if PATH in known and PATH not in told:
        row[PATH] = _below(file, root)
    return row | told


def _below(file: Located, root: Path) -> str:
    place = Path(file.place)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else place.name


def _is_large(field: FieldSpec) -> bool:
    return value_type(field.dtype).is_large
