"""Snapshots: what a build saw, as immutable Parquet named after its content.

The digest is a sum of row hashes, so it is the same for the same rows in other files, formats or order.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from components.data.casting import Cast, cast_columns, contract_casts
from components.data.parquet import sink
from components.data.results import Snapshot
from components.data.source_files import one_line
from components.data.sources import describe_source, open_source
from components.declaration import Source
from components.errors import ContractError, SourceError
from components.row_hash import row_lanes, rows_digest
from components.settings import Home
from components.storage import atomic_folder, scratch_prefix, write_json
from components.user_code import told
from data_contracts.frame_schema import raw_column
from data_contracts.spec import ContractSpec, FieldSpec

ROWS = "rows.parquet"
RECORD = "snapshot.json"


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
        digest, found = _write(source, contract, file, where)
        target = home.room("snapshots", digest)
        snapshot = Snapshot(
            digest=digest,
            path=target / ROWS,
            rows=found["rows"],
            columns={field.name: field.dtype for field in contract.fields},
            source=where,
            without_nan=tuple(field.name for field in contract.fields if found.get(f"nan {field.name}") is False),
        )
        if not target.is_dir():
            with atomic_folder(target) as folder:
                file.rename(folder / ROWS)
                write_json(folder / RECORD, snapshot.model_dump(mode="json"))
    return snapshot


def _write(source: Source, contract: ContractSpec, file: Path, where: str) -> tuple[str, dict[str, int]]:
    try:
        frame = open_source(source, contract, file.parent)
        casts = contract_casts(frame.collect_schema(), contract)
        rows = frame.select(cast_columns(casts))
        lanes = row_lanes(rows, contract.fields, raw_fields(casts))
        facts = rows.select(*_failures(casts), *have_nan(contract), pl.len().alias("rows"))
        written = sink(rows, file, statistics=True)
        _, summed, counted = pl.collect_all([written, lanes, facts], engine="streaming")
    except SourceError as error:
        # Unpacked files are gone when this is read: their names are to be told, not where they lay.
        raise SourceError(str(error).replace(f"{file.parent}/", "")) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise SourceError(f"source {where} cannot be read: {one_line(error)}") from error
    except ContractError:
        raise
    except Exception as error:
        # What a function of the user's made may run more of its code, which may raise anything.
        if source.python is None:
            raise
        raise SourceError(f"source {where} cannot be read: {told(error)}") from error
    found = counted.row(0, named=True)
    if found["rows"] == 0:
        raise SourceError(f"source {where} has no rows")
    _refuse_hopeless(casts, found, file, contract)
    return rows_digest(contract, summed.row(0)), found


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


def _refuse_hopeless(casts: Sequence[Cast], found: dict[str, int], file: Path, contract: ContractSpec) -> None:
    for cast in casts:
        name = cast.field.name
        if found.get(f"bad {name}", 0) and not found[f"good {name}"]:
            text = pl.scan_parquet(file).select(pl.col(raw_column(name)).drop_nulls().first()).collect().item()
            raise ContractError(
                f"{contract.name}: not one of {found[f'bad {name}']:,} values in column '{name}' is of the type "
                f"{cast.field.dtype}; the first is '{str(text)[:80]}'. Convert the column in the source, or change "
                "the contract"
            )
