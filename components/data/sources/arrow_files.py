"""Arrow IPC as a source: the file format is scanned where it lies, a stream goes through a file beside the snapshot."""

from pathlib import Path

import polars as pl
import pyarrow as pa

from components.artefacts.errors import SourceError
from components.data.sources.unpacking import Located
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec


def open_arrow(file: Located, source: Source, contract: ContractSpec, scratch: Path) -> pl.LazyFrame:
    """Return the rows of an Arrow file, of either format."""
    path = Path(file.place)
    with path.open("rb") as stream:
        seekable = stream.read(6) == b"ARROW1"
    if seekable:
        return pl.scan_ipc(path, glob=False)
    try:
        return _stored(path, {field.name for field in contract.fields}, scratch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())[:200]
        raise SourceError(f"source {file.name} cannot be read as an Arrow stream: {told}") from error


def _stored(path: Path, wanted: set[str], scratch: Path) -> pl.LazyFrame:
    """Copy a stream batch by batch: it has no index at its end, so that it cannot be scanned."""
    target = scratch / f"stream-{len(list(scratch.iterdir()))}.arrow"
    with pa.OSFile(str(path)) as stream, pa.ipc.open_stream(stream) as batches:
        names = batches.schema.names
        kept = [name for name in dict.fromkeys(names) if name in wanted and names.count(name) == 1]
        # In a file, a dictionary cannot change from batch to batch.
        schema = pa.schema([_plain(batches.schema.field(name)) for name in kept])
        with pa.ipc.new_file(str(target), schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
            for batch in batches:
                batch.validate(full=True)
                out.write_batch(batch.select(kept).cast(schema))
    # What the contract does not name is there to be told in messages.
    others = [name for name in names if name not in wanted]
    return pl.scan_ipc(target, glob=False).with_columns(pl.lit(None).alias(name) for name in others)


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
