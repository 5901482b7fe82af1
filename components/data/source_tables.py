"""A database as a source: a query to PostgreSQL or SQLite through ADBC, streamed into Parquet in batches."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from components.declaration import Source
from components.errors import SourceError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def open_query(source: Source, scratch: Path) -> pl.LazyFrame:
    """Run the query and return its rows; SourceError says what the database said."""
    uri = _filled(source.uri or "")
    where = public_uri(source.uri or "")
    scheme = urlsplit(uri).scheme
    if scheme in ("postgresql", "postgres"):
        import adbc_driver_postgresql.dbapi as driver

        target = uri
    elif scheme == "sqlite":
        import adbc_driver_sqlite.dbapi as driver

        target = uri.removeprefix("sqlite:///")
        # SQLite makes a file that is not there.
        if not Path(target).is_file():
            raise SourceError(f"source {where}: the database file {target} does not exist")
    else:
        raise SourceError(f"source uri {where}: '{scheme}' is not one of postgresql, sqlite")
    file = scratch / "query.parquet"
    try:
        with driver.connect(target) as connection, connection.cursor() as cursor:
            cursor.execute(source.sql)
            rows = _store(cursor.fetch_record_batch(), file)
    except driver.Error as error:
        raise SourceError(f"source {where}: {' '.join(str(error).split())[:300]}") from error
    if not rows:
        raise SourceError(f"source {where}: the query has no rows")
    return pl.scan_parquet(file)


def public_uri(uri: str) -> str:
    """Return a database's address without user, password and options."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _filled(uri: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise SourceError(f"source uri {public_uri(uri)}: the environment variable {match[1]} is not set")
        return os.environ[match[1]]

    return _VARIABLE.sub(value, uri)


def _store(reader: Any, file: Path) -> int:
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
