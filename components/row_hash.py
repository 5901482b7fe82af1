"""A 64-bit hash of a contract row that does not change with Polars, the platform or the layout of the files.

Polars' own ``hash`` promises nothing from one version to the next, so numbers are mixed here (the multiply-xorshift
finaliser of MurmurHash3's family) and strings go through XXH3. It tells rows apart by accident, not against malice.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.artefacts.storage import digest_json
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.types.registry import column_type

# Changes when the way a digest is computed does: what is stored then stays what it is, under its old name.
FORMAT = 1
# Polars takes longer to plan more columns than this in one expression than to compute it: a minute for 1,000.
PLANNED = 64
ODD = 0x9E3779B97F4A7C15
NULL = 0xD6E8FEB86659FD93


def with_row_hash(
    rows: pl.LazyFrame, fields: Sequence[FieldSpec], name: str, *, seed: int = 0, optional: Sequence[FieldSpec] = ()
) -> pl.LazyFrame:
    """Add the hash (UInt64) of some fields; independent of their order, dependent on their names.

    A null in an ``optional`` field counts as if the field were not there.
    """
    if len(fields) + len(optional) > PLANNED:
        total = _in_blocks([*fields, *optional], frozenset(field.name for field in optional), seed)
    else:
        columns = [_column(field, seed) for field in fields]
        columns += [
            pl.when(pl.col(field.name).is_not_null()).then(_column(field, seed)).otherwise(0) for field in optional
        ]
        total = pl.sum_horizontal(columns)
    # In two steps: an expression that is used twice is written out twice, and planning it would take longer than it.
    return rows.with_columns(total.alias(name)).with_columns(mixed(pl.col(name)))


def row_lanes(rows: pl.LazyFrame, fields: Sequence[FieldSpec], optional: Sequence[FieldSpec] = ()) -> pl.LazyFrame:
    """Return one row: the number of rows and two sums over them, the same for the same rows in any order."""
    hashed = with_row_hash(rows, fields, "lane", optional=optional).select("lane")
    return hashed.select(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("lane").sum().alias("lane_0"),
        mixed(pl.col("lane") + 1).sum().alias("lane_1"),
    )


def rows_digest(contract: ContractSpec, lanes: Sequence[int]) -> str:
    """Return the digest of contract rows from what ``row_lanes`` found."""
    fields = sorted((field.name, field.dtype) for field in contract.fields)
    return digest_json([FORMAT, fields, *lanes])


def mixed(value: pl.Expr) -> pl.Expr:
    """Return a UInt64 with every input bit spread over the output bits."""
    spread = (value ^ (value // 2**32)) * _constant(ODD)
    return spread ^ (spread // 2**29)


def _column(field: FieldSpec, seed: int) -> pl.Expr:
    return mixed(_bits(field) ^ _constant(_salt(seed, field)))


def _in_blocks(fields: Sequence[FieldSpec], optional: frozenset[str], seed: int) -> pl.Expr:
    """Return the same sum for a wide row, block by block of columns as matrices: it costs what its values cost."""

    def summed(rows: pl.Series) -> pl.Series:
        frame, total = rows.struct.unnest(), np.zeros(len(rows), np.uint64)
        for start in range(0, len(fields), PLANNED):
            block = fields[start : start + PLANNED]
            part = frame.select(field.name for field in block)
            bits = part.select(_bits(field) for field in block).to_numpy()
            salts = np.array([_salt(seed, field) for field in block], np.uint64)
            mixed_bits = _mixed_array(bits ^ salts)
            for place, field in enumerate(block):
                if field.name in optional:
                    mixed_bits[part[field.name].is_null().to_numpy(), place] = 0
            total += mixed_bits.sum(axis=1, dtype=np.uint64)
        return pl.Series(total, dtype=pl.UInt64)

    row = pl.struct([field.name for field in fields])
    return row.map_batches(summed, return_dtype=pl.UInt64, is_elementwise=True)


def _mixed_array(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return what ``mixed`` does, of an array, which wraps around as Polars does."""
    spread = (value ^ (value >> np.uint64(32))) * np.uint64(ODD)
    return spread ^ (spread >> np.uint64(29))


def _bits(field: FieldSpec) -> pl.Expr:
    return column_type(field.dtype).bits(field.name).fill_null(_constant(NULL))


def _salt(seed: int, field: FieldSpec) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{field.name}".encode()).digest()[:8], "big")


def _constant(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)
