"""Rows of a later split that an earlier one holds, too: exactly, or but for rounding, time and identifiers.

``coincidence.py`` says how much of it is chance. One kind of row chance never excuses: one whose finely
measured numbers stand in no other row, where rows that are like it in everything else have other numbers. It can only
have been copied, however many were.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from components.data.audit.coincidence import RARE, Recurrence, recurrence, times_of
from components.row_hash import with_row_hash
from data_contracts.description.spec import FieldSpec

HASH, REST, FINE = "slipway:hash", "slipway:rest", "slipway:fine"
TIMES = "slipway:times"
# Rows of the later split on which independent fields are asked.
ASKED = 20_000
# Significant digits in which numbers that are the same but for rounding agree. With three, rows that were copied
# coarsely are found; with five chance gives much less, so that fewer copies are told from it.
ROUNDED, NEARLY = 3, 5
# A number with more significant digits than these is finely measured: two rows do not share it by chance.
COARSE = 6


class Rows(NamedTuple):
    """Rows of one split, and the fields by which they are compared."""

    path: Path
    size: int
    fields: Sequence[FieldSpec]
    digits: int | None = None

    def scan(self) -> pl.LazyFrame:
        """Return the compared fields as they are compared."""
        rows = pl.scan_parquet(self.path, glob=False).select([field.name for field in self.fields])
        if self.digits is None:
            return rows
        numbers = [field.name for field in self.fields if field.dtype == "number"]
        return rows.with_columns(pl.col(numbers).round_sig_figs(self.digits))

    def hashed(self) -> pl.LazyFrame:
        """Return one column: what a row is, as a number."""
        return with_row_hash(self.scan(), self.fields, HASH).select(HASH)

    def counted(self) -> pl.DataFrame:
        """Return each different row and how many times it stands."""
        return self.hashed().group_by(HASH).agg(pl.len().alias(TIMES)).collect(engine="streaming")


def shared_rows(later: Rows, known: pl.LazyFrame) -> int:
    """Return how many rows are among those counted, however often they stand there."""
    return int(later.hashed().join(known, on=HASH, how="semi").select(pl.len()).collect(engine="streaming").item())


def beyond_chance(later: Rows, earlier: Rows, known: pl.DataFrame, limit: float) -> Recurrence | None:
    """Return how many rare rows of ``earlier``, as counted, the later split has; None if that may be chance."""
    judged = _recurrence(later, earlier, known, limit)
    if judged is None or judged.excess(limit):
        return judged
    if later.digits is not None:
        nearer = later._replace(digits=NEARLY), earlier._replace(digits=NEARLY)
        closely = _recurrence(*nearer, nearer[1].counted(), limit)
        if closely is None or closely.excess(limit):
            return closely
    copied = _finely_copied(later._replace(digits=None), earlier._replace(digits=None))
    whole = judged._replace(found=copied, share=copied / later.size, chance=0.0, error=0.0)
    return whole if whole.excess(limit) else None


def _recurrence(later: Rows, earlier: Rows, known: pl.DataFrame, limit: float) -> Recurrence | None:
    """Return the rare rows that recur and what chance gives; None if they are within the limit anyway."""
    rare = known.lazy().filter(pl.col(TIMES) <= RARE)
    found = shared_rows(later, rare)
    if found <= limit * later.size:
        return None
    return recurrence(found, later.size, times_of(known[TIMES]), _independent(later, earlier, known))


def _independent(later: Rows, earlier: Rows, known: pl.DataFrame) -> float:
    """Return which share of the later rows would be rare ones of ``earlier`` if fields did not depend on each other.

    What a row's own likes add to the frequencies of its values is left out: they are what is to be explained.
    """
    step = math.ceil(later.size / ASKED)
    rows = with_row_hash(later.scan().gather_every(step), later.fields, HASH)
    rows = rows.join(known.lazy(), on=HASH, how="left").with_columns(pl.col(TIMES).fill_null(0))
    chance = pl.lit(1.0)
    for place, field in enumerate(later.fields):
        held = f"slipway:{place}"
        counts = earlier.scan().group_by(field.name).agg(pl.len().cast(pl.Int64).alias(held))
        rows = rows.join(counts, on=field.name, how="left", nulls_equal=True)
        others = pl.col(held).fill_null(0) - pl.col(TIMES).cast(pl.Int64)
        chance = chance * others.clip(0) / earlier.size
    expected = chance * earlier.size
    rare = (-expected).exp() * pl.sum_horizontal(expected**k / math.factorial(k) for k in range(1, RARE + 1))
    return float(rows.select(rare.mean()).collect(engine="streaming").item() or 0.0)


def _finely_copied(later: Rows, earlier: Rows) -> int:
    """Return how many rows have fine numbers of training that stand in no other row, though the rest does."""
    numbers = [field for field in later.fields if field.dtype == "number"]
    fine = _fine(earlier, numbers)
    if not fine:
        return 0
    coarse = [field for field in later.fields if field not in fine]
    before, after = (_in_parts(rows, fine, coarse) for rows in (earlier, later))
    rare = before.group_by(HASH).len().filter(pl.col("len") <= RARE)
    # Numbers that follow from the rest of the row (a price from its product) recur whenever that does.
    free = before.group_by(REST).agg(pl.col(HASH).n_unique()).filter(pl.col(HASH) > 1)
    own = before.group_by(FINE).agg(pl.col(HASH).n_unique()).filter(pl.col(HASH) == 1)
    copied = after.join(rare, on=HASH, how="semi").join(free, on=REST, how="semi").join(own, on=FINE, how="semi")
    return int(copied.select(pl.len()).collect(engine="streaming").item())


def _fine(earlier: Rows, numbers: Sequence[FieldSpec]) -> list[FieldSpec]:
    """Return the fields of which most values have more digits than two rows would share by chance."""
    if not numbers:
        return []
    given = pl.scan_parquet(earlier.path, glob=False)
    found = given.select((pl.col(field.name) != pl.col(field.name).round_sig_figs(COARSE)).mean() for field in numbers)
    shares = found.collect(engine="streaming").row(0)
    return [field for field, share in zip(numbers, shares, strict=True) if share is not None and share > 0.5]


def _in_parts(rows: Rows, fine: Sequence[FieldSpec], coarse: Sequence[FieldSpec]) -> pl.LazyFrame:
    hashed = with_row_hash(with_row_hash(rows.scan(), rows.fields, HASH), fine, FINE)
    hashed = with_row_hash(hashed, coarse, REST) if coarse else hashed.with_columns(pl.lit(0).alias(REST))
    return hashed.select(HASH, REST, FINE)
