"""Snapshots: what a build saw, as immutable Parquet named after its content.

The digest is a sum of row hashes, so it is the same for the same rows in other files, formats or order.
"""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from components.artefacts.errors import ContractError, SlipwayError, SourceError
from components.artefacts.storage import scratch_prefix, write_json
from components.data.parquet import rows_at_once, sink
from components.data.results import Snapshot
from components.data.sources.casting import Cast, cast_columns, contract_casts
from components.data.sources.csv_files import SHORT
from components.data.sources.json_lines import has_large
from components.data.sources.source import describe_source, open_source
from components.data.sources.source_files import FILE, Opened, one_line
from components.declaration.source import Source
from components.row_hash import row_lanes, rows_digest
from components.settings import Home
from components.user_code import told
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.frame_schema import raw_column
from data_contracts.language.types.registry import column_type

ROWS = "rows.parquet"
RECORD = "snapshot.json"
# Of a source of several files: which rows of the snapshot came from which, so that a refused row can be found.
FILES = "files.json"


class FileRows(msgspec.Struct, frozen=True):
    """Where the rows of one file are in a snapshot: the position of the first, from 0, and how many."""

    file: str
    first: int
    rows: int


def take_snapshot(source: Source, contract: ContractSpec, home: Home) -> Snapshot:
    """Stream a source into Parquet of the contract's types, once, and name it after its rows.

    Raises SourceError for a source that is missing, unreadable or empty, ContractError for a column that is missing
    or of which not one value has the contract's type. Single such values keep their text, for the quarantine.
    """
    where = describe_source(source)
    incoming = home.room("snapshots")
    incoming.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=incoming, prefix=scratch_prefix("incoming")) as scratch:
        file = Path(scratch) / ROWS
        digest, found, files = _write(source, contract, file, where)
        snapshot = Snapshot(
            digest=digest,
            stored=home.reference("snapshots", digest, ROWS),
            rows=found["rows"],
            columns={field.name: field.dtype for field in contract.fields},
            source=where,
            without_nan=tuple(field.name for field in contract.fields if found.get(f"nan {field.name}") is False),
        )
        if not home.store.exists("snapshots", digest):
            folder = Path(scratch) / "snapshot"
            folder.mkdir()
            file.rename(folder / ROWS)
            write_json(folder / RECORD, snapshot.model_dump(mode="json"))
            if files:
                write_json(folder / FILES, files)
            home.store.commit("snapshots", digest, folder)
    return snapshot


class _Written(NamedTuple):
    """What writing a snapshot's rows found: their digest, counts and flags by name, and where each file's rows are."""

    digest: str
    found: dict[str, int]
    files: list[FileRows]


def _write(source: Source, contract: ContractSpec, file: Path, where: str) -> _Written:
    opened = None
    try:
        opened = open_source(source, contract, file.parent)
        casts = contract_casts(opened.rows.collect_schema(), contract)
        written = _sink(opened, casts, contract, file)
        if written.found["short"]:
            opened.refuse_short_rows()
        opened.refuse_inexact([field.name for field in contract.fields if written.found.get(f"large {field.name}")])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        said = one_line(error)
        if opened is None:
            raise SourceError(f"source {where} cannot be read: {said}") from error
        raise SourceError(opened.fault() or f"source {where} cannot be read: {opened.renamed(said)}") from error
    except SlipwayError:
        raise
    except Exception as error:
        # What a function of the user's made may run more of its code, which may raise anything.
        if source.python is None:
            raise
        raise SourceError(f"source {where} cannot be read: {told(error)}") from error
    if written.found["rows"] == 0:
        raise SourceError(f"source {where} has no rows")
    _refuse_hopeless(casts, written.found, file, contract)
    return written


def _sink(opened: Opened, casts: list[Cast], contract: ContractSpec, file: Path) -> _Written:
    """Write the rows, and learn all that is to be known of them, in one pass."""
    schema = opened.rows.collect_schema()
    beside = [name for name in (SHORT, FILE) if name in schema]
    all_rows = opened.rows.select(*cast_columns(casts), *beside)
    rows = all_rows.drop(beside)
    flags = [(pl.col(SHORT).any() if SHORT in schema else pl.lit(False)).alias("short")]
    flags += [has_large(field.name).alias(f"large {field.name}") for field in opened.uncertain(contract)]
    queries = [
        sink(rows, file, statistics=True, group=rows_at_once(contract)),
        row_lanes(rows, contract.fields, raw_fields(casts)),
        all_rows.select(*_failures(casts), *have_nan(contract), *flags, pl.len().alias("rows")),
    ]
    by_file = [all_rows.group_by(FILE).len()] if FILE in schema else []
    _, summed, counted, *of_files = pl.collect_all([*queries, *by_file], engine="streaming")
    files = _places(opened, dict(of_files[0].iter_rows())) if of_files else []
    return _Written(rows_digest(contract, summed.row(0)), counted.row(0, named=True), files)


def _places(opened: Opened, counts: dict[int, int]) -> list[FileRows]:
    rows = [counts.get(index, 0) for index in range(len(opened.files))]
    firsts = itertools.accumulate(rows, initial=0)
    return [FileRows(*place) for place in zip((file.name for file in opened.files), firsts, rows, strict=False)]


def raw_fields(casts: Sequence[Cast]) -> list[FieldSpec]:
    """Return the columns that keep the text of failed values, as fields."""
    return [
        FieldSpec(name=raw_column(cast.field.name), dtype="string", description="", nullable=True)
        for cast in casts
        if cast.raw is not None
    ]


def have_nan(contract: ContractSpec) -> list[pl.Expr]:
    """Return for each number field whether NaN is among its values: asked once, while they are in memory."""
    numbers = [field.name for field in contract.fields if field.dtype == "number"]
    return [pl.col(name).is_nan().any().alias(f"nan {name}") for name in numbers]


def _failures(casts: Sequence[Cast]) -> list[pl.Expr]:
    fallible = [cast for cast in casts if cast.raw is not None]
    counts = [pl.col(cast.field.name).count().alias(f"good {cast.field.name}") for cast in fallible]
    return counts + [pl.col(raw_column(cast.field.name)).count().alias(f"bad {cast.field.name}") for cast in fallible]


def _shown(field: FieldSpec, text: str) -> str:
    return "what they are is not shown, for the field is pii" if "pii" in field.roles else f"the first is '{text[:80]}'"


def _refuse_hopeless(casts: Sequence[Cast], found: dict[str, int], file: Path, contract: ContractSpec) -> None:
    for cast in casts:
        name = cast.field.name
        if found.get(f"bad {name}", 0) and not found[f"good {name}"]:
            text = (
                pl.scan_parquet(file, glob=False).select(pl.col(raw_column(name)).drop_nulls().first()).collect().item()
            )
            raise ContractError(
                f"{contract.name}: not one of {found[f'bad {name}']:,} values in column '{name}' is of the type "
                f"{cast.field.dtype} ({column_type(cast.field.dtype).form}); {_shown(cast.field, str(text))}. "
                "Convert the column in the source, or change the contract"
            )
