"""A database as a source: a query to PostgreSQL or SQLite, streamed into a file in batches.

PostgreSQL tells the type of each column, and ADBC brings the rows. SQLite has a type for each value instead: its values
are taken as text, as those of a text file are, and the contract says what they are.
"""

import base64
import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.artefacts.errors import SourceError
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec
from data_contracts.description.types.registry import value_type

_VARIABLE = re.compile(r"\$\{(\w+)\}")
# Values that are in memory at once.
CELLS = 1_000_000
ROWS = 20_000


def open_query(source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    """Run the query and return its rows; SourceError says what the database said."""
    uri = _filled(source.uri or "")
    where = f"source {public_uri(source.uri or '')}"
    scheme, _, place = uri.partition("://")
    wanted = {field.name: field.dtype for field in contract.fields}
    file = scratch / "query.parquet"
    try:
        if scheme in ("postgresql", "postgres"):
            names, rows = _ask_postgresql(uri, str(source.sql), wanted, file, where)
        elif scheme == "sqlite":
            names, rows = _ask_sqlite(Path(place.removeprefix("/")), str(source.sql), wanted, file, where)
        else:
            raise SourceError(f"{where}: '{scheme}' is not one of postgresql, sqlite (sqlite:///file.db)")
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{where} cannot be read: {_without_secrets(error, uri)}") from error
    if not rows:
        raise SourceError(f"{where}: the query has no rows")
    # What the contract does not name was not brought, and is there to be told in messages.
    stored = pl.scan_parquet(file, glob=False)
    return stored.with_columns(pl.lit(None).alias(name) for name in names if name not in wanted)


def public_uri(uri: str) -> str:
    """Return a database's address without user, password and options, also of one that is none."""
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return f"'{uri}'" if "@" not in uri else "(not an address)"
    place, _, options = rest.partition("?")
    if "@" in options and "@" not in place:
        # A question mark in a password: where the address begins is unknown.
        return f"{scheme}://..."
    return f"{scheme}://{place.rpartition('@')[2]}"


def _filled(uri: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise SourceError(f"source uri {public_uri(uri)}: the environment variable {match[1]} is not set")
        return os.environ[match[1]]

    return _VARIABLE.sub(value, uri)


def _without_secrets(error: BaseException, uri: str) -> str:
    """Return on one line what a driver says, which may well be the whole address, or the password alone."""
    text = " ".join(str(error).replace(uri, public_uri(uri)).split())
    user = uri.partition("://")[2].rpartition("@")[0]
    for secret in (user, user.partition(":")[2]):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "...", text) if secret else text
    return text[:300]


def _each_once(names: Sequence[str], where: str) -> Sequence[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{where}: the query names {', '.join(map(repr, twice[:3]))} twice: tell them apart with AS")
    return names


def _ask_postgresql(
    uri: str, query: str, wanted: Mapping[str, str], file: Path, where: str
) -> tuple[Sequence[str], int]:
    """Write the columns of a query that are wanted into a file; return the names of all, and the number of rows."""
    import adbc_driver_postgresql.dbapi as driver

    rows = 0
    try:
        with driver.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            batches = cursor.fetch_record_batch()
            names = _each_once(batches.schema.names, where)
            read = {
                field.name: _reading(field, where, wanted[field.name])
                for field in batches.schema
                if field.name in wanted
            }
            with _Rows(file) as written:
                for batch in batches:
                    written.add(pa.table({name: of(batch.column(name)) for name, of in read.items()}), batch.num_rows)
            rows = written.count
    except driver.Error as error:
        raise SourceError(f"{where}: {_without_secrets(error, uri)}") from error
    return names, rows


def _reading(field: pa.Field, where: str, dtype: str) -> Callable[[pa.Array], pa.Array]:
    """Return how a column of PostgreSQL becomes one that a contract can be asked about."""
    told = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() or str(field.type)
    kind = field.type
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if isinstance(kind, pa.UuidType):
        return _uuid_texts
    is_text = pa.types.is_string(storage) or pa.types.is_large_string(storage)
    # Bytes and arrays, if the contract has a field of such a type.
    is_own = pa.types.is_binary(storage) or pa.types.is_list(storage)
    plain = pa.types.is_primitive(storage) and not pa.types.is_time(storage) and not pa.types.is_interval(storage)
    # ADBC brings money as a whole number of its smallest unit, whichever that is.
    if told == "money" or not (plain or is_text or (is_own and value_type(dtype).is_large)):
        raise SourceError(
            f"{where}: the column '{field.name}' is of the type {told}, which is not read: cast it in the query, for "
            f"instance {field.name}::text, or {field.name}::numeric"
        )
    return lambda column: column.storage if isinstance(column, pa.ExtensionArray) else column


def _uuid_texts(column: pa.ExtensionArray) -> pa.Array:
    digits = pl.Series("uuid", column.storage.cast(pa.binary())).bin.encode("hex").to_frame()
    parts = [pl.col("uuid").str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return digits.select(pl.concat_str(parts, separator="-")).to_series().to_arrow().cast(pa.large_string())


def _ask_sqlite(path: Path, query: str, wanted: Mapping[str, str], file: Path, where: str) -> tuple[Sequence[str], int]:
    """Write the columns of a query that are wanted into a file, as text; return the names of all, and the rows."""
    form = "write sqlite:///file.db, or sqlite:////folder/file.db"
    if path == Path():
        raise SourceError(f"{where} names no database file: {form}")
    # SQLite makes a file that is not there.
    if not path.is_file():
        raise SourceError(f"{where}: the database file {path} does not exist (looked from {Path.cwd()}): {form}")
    try:
        # Only to be read: a query that would change something is refused.
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            cursor = connection.execute(query)
            if cursor.description is None:
                raise SourceError(f"{where}: the query gives no rows: a source is a SELECT")
            names = _each_once([told[0] for told in cursor.description], where)
            blobs = [name for name, dtype in wanted.items() if value_type(dtype).python is bytes]
            places = {name: place for place, name in enumerate(names) if name in wanted}
            size = max(1, min(ROWS, CELLS // len(names)))
            with _Rows(file) as written:
                while rows := cursor.fetchmany(size):
                    columns = {
                        name: pa.array(
                            [_sqlite_text(row[place], name, where, is_bytes=name in blobs) for row in rows],
                            pa.large_string(),
                        )
                        for name, place in places.items()
                    }
                    written.add(pa.table(columns), len(rows))
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise SourceError(f"{where}: {' '.join(str(error).split())[:300]}") from error
    return names, written.count


def _sqlite_text(value: str | float | bytes | None, name: str, where: str, *, is_bytes: bool) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        if is_bytes:
            return base64.b64encode(value).decode()
        raise SourceError(
            f"{where}: the column '{name}' has a BLOB, which is not read: cast it in the query, for instance "
            f"CAST({name} AS TEXT), or hex({name})"
        )
    return repr(value)


class _Rows:
    """A Parquet file that grows table by table, and how many rows came."""

    def __init__(self, file: Path) -> None:
        self.count = 0
        self._file = file
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, rows: pa.Table, count: int) -> None:
        """Append rows; ``count`` of them, also where none of their columns is wanted."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, rows.schema)
        self._writer.write_table(rows)
        self.count += count
