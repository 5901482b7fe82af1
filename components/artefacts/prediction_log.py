"""The prediction log: what was asked and answered, as the service writes it and whoever looks at it later reads it.

Parquet parts ``<folder>/<day>/<time>-<pid>-<number>.parquet``, day and time in UTC and of the moment of writing, which
is at most minutes after the answers. Columns: ``request_id``, ``row`` (place in the request), ``answered_at``,
``build``, the numbers of the answer (``probability``), then the contract's inputs in their own types. Of a large value,
such as a picture, there are its digest (``picture.sha256``) and what the kind says of it (``picture.size``), never the
value. Parts of builds with other contracts have other columns. A part is whole or absent.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

# The columns that every part begins with.
OWN_COLUMNS = ("request_id", "row", "answered_at", "build")
# Rows wait for a part to be full or old, and a part for a slow disk: a later day's folder may hold them.
LATE = timedelta(days=1)


def own_columns(
    request_ids: NDArray[np.object_], rows: NDArray[np.int32], seconds: NDArray[np.float64], build: str
) -> dict[str, Any]:
    """Return the columns that every part begins with, as Arrow arrays; ``seconds`` are since 1970, UTC."""
    import pyarrow as pa

    moments = (seconds * 1e6).astype(np.int64).astype("datetime64[us]")
    columns = (
        pa.array(request_ids, pa.string()),
        pa.array(rows, pa.int32()),
        pa.array(moments, pa.timestamp("us", tz="UTC")),
        pa.array([build] * len(moments), pa.string()),
    )
    return dict(zip(OWN_COLUMNS, columns, strict=True))


def digest_column(field: str) -> str:
    """Return the name of the column that tells values of a field of a large type apart."""
    return f"{field}.sha256"


def write_part(folder: Path, table: "pa.Table", number: int) -> Path:
    """Write a table as a part; ``number`` tells it from the others that this process writes."""
    import pyarrow.parquet as pq

    now = datetime.now(UTC)
    path = folder / f"{now:%Y-%m-%d}" / f"{now:%H%M%S%f}-{os.getpid()}-{number}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A dot hides the file from readers until it is whole.
    scratch = path.with_name(f".{path.name}")
    pq.write_table(table, scratch, compression="zstd")
    return scratch.replace(path)


def read_parts(
    folder: Path, *, since: datetime | None = None, until: datetime | None = None, build: str = ""
) -> Iterator["pa.Table"]:
    """Yield part by part the rows answered from ``since`` until before ``until``, by ``build`` if it is given.

    Only parts of the days in question are opened; a part without such a row is left out.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    first = f"{since.astimezone(UTC):%Y-%m-%d}" if since else ""
    last = f"{until.astimezone(UTC) + LATE:%Y-%m-%d}" if until else "~"
    for path in sorted(folder.glob("[0-9]*/[0-9]*.parquet")):
        if not first <= path.parent.name <= last:
            continue
        table = pq.read_table(path, partitioning=None)
        kept = pc.equal(table["build"], build) if build else pc.is_valid(table["build"])
        if since:
            kept = pc.and_(kept, pc.greater_equal(table["answered_at"], since.astimezone(UTC)))
        if until:
            kept = pc.and_(kept, pc.less(table["answered_at"], until.astimezone(UTC)))
        table = table.filter(kept)
        if table.num_rows:
            yield table
