"""Which fields need no reading to be judged, because what is known of their columns proves every value good.

A rule on numbers and moments is a range, so it holds for all values if it holds for the smallest and the largest; a
rule on text holds for all if it holds for every entry of the column's dictionary. The rules themselves are those of
``row_checks``, asked about these few values. The file tells both, but leaves NaN out: that there is none, the snapshot
tells. Only for files that we have written: whoever writes a file can lie in it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import polars as pl
import pyarrow.parquet as pq

from components.data.results import Snapshot
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from data_contracts.language.frame_schema import POLARS_TYPES, raw_column
from data_contracts.language.row_checks import keeps

# Bytes a value, unpacked, up to which a column of text is taken for places in a small dictionary.
PLACE_BYTES = 2


def unproven(snapshot: Snapshot, contract: ContractSpec) -> ContractSpec:
    """Return the contract with those fields alone whose values must be read to be judged."""
    told = pq.read_metadata(snapshot.path)
    types = pl.scan_parquet(snapshot.path, glob=False).collect_schema()
    chunks = {
        name: [told.row_group(group).column(place) for group in range(told.num_row_groups)]
        for place, name in enumerate(types)
    }

    def is_proven(field: FieldSpec) -> bool:
        if types[field.name] != POLARS_TYPES[field.dtype] or not all(
            map(_is_null, chunks.get(raw_column(field.name), []))
        ):
            return False
        few = _decisive(snapshot, field, chunks[field.name])
        return few is not None and _are_good(few, field, contract)

    with ThreadPoolExecutor(max_workers=2) as pool:
        proven = list(pool.map(is_proven, contract.fields))
    fields = tuple(field for field, good in zip(contract.fields, proven, strict=True) if not good)
    return msgspec.structs.replace(contract, fields=fields)


def _are_good(values: pl.Series, field: FieldSpec, contract: ContractSpec) -> bool:
    alone = msgspec.structs.replace(contract, fields=(field,))
    return bool(values.to_frame().select(keeps(alone)).to_series().all())


def _decisive(snapshot: Snapshot, field: FieldSpec, chunks: list[pq.ColumnChunkMetaData]) -> pl.Series | None:
    """Return values of a column, null among them if it has one, that are good only if all are; None if unknown."""
    told = [chunk.statistics for chunk in chunks]
    if not all(one is not None and one.has_null_count for one in told):
        return None
    null = [None] if any(one.null_count for one in told) else []
    dtype = POLARS_TYPES[field.dtype]
    kind = value_type(field.dtype)
    if kind.is_large:
        return None
    if kind.python is str:
        texts = _dictionary(snapshot.path, field, chunks)
        return None if texts is None else pl.Series(field.name, [*texts, *null], dtype=dtype)
    if field.allowed or (field.dtype == "number" and field.name not in snapshot.without_nan):
        return None
    some = [one for chunk, one in zip(chunks, told, strict=True) if one.null_count < chunk.num_values]
    if not all(one.has_min_max for one in some):
        return None
    ends = [end for one in some for end in (one.min_raw, one.max_raw)]
    # As they are stored: a moment is a whole number, also one in a year that Python has no date for.
    stored = pl.Int64() if kind.is_moment else dtype
    return pl.Series(field.name, [*ends, *null], dtype=stored).cast(dtype)


def _dictionary(file: Path, field: FieldSpec, chunks: list[pq.ColumnChunkMetaData]) -> set[str] | None:
    """Return every text in a column, or None if they are too many to be gathered."""
    if not all(chunk.has_dictionary_page for chunk in chunks):
        return None
    if sum(chunk.total_uncompressed_size for chunk in chunks) > PLACE_BYTES * sum(c.num_values for c in chunks):
        return None
    texts: set[str] = set()
    with pq.ParquetFile(file, read_dictionary=[field.name], memory_map=True) as parquet:
        for group in range(parquet.num_row_groups):
            for part in parquet.read_row_group(group, [field.name], use_threads=False)[field.name].chunks:
                texts.update(part.dictionary.to_pylist())
    return texts


def _is_null(chunk: pq.ColumnChunkMetaData) -> bool:
    told = chunk.statistics
    return told is not None and told.has_null_count and told.null_count == chunk.num_values
