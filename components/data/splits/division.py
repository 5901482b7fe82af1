"""Train, validation, test and monitor: rows of the kept data by the rule that the workload file declares.

Shares are taken by a hash of what a row holds, never by its place: a split is the same for the same rows in any
order, and a row that is there twice is never on both sides.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, time
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import polars as pl

from components.artefacts.errors import SplitError
from components.data.kept_rows import MARK, KeptRows
from components.data.parquet import BlockFiles, rows_at_once
from components.data.results import Split
from components.declaration.split import (
    GroupSplit,
    RandomSplit,
    ShareSplit,
    StratifiedSplit,
    TimeSplit,
)
from components.row_hash import with_row_hash
from components.store.reference import Reference
from data_contracts.description.spec import ContractSpec, FieldSpec

PLACE = "slipway:place"
WHICH = "slipway:split"
MONITOR = "monitor"
# Names that no field has: contracts may well have a field "rows" or "cell".
CELL, HELD, STRATUM = "slipway:cell", "slipway:held", "slipway:stratum"
CELLS = 4096

# Adds to rows as ``WHICH`` the place, among the names, of the split that each lies in; null for none. A number, since
# making and comparing names takes 50 ms a million rows.
Dividing = Callable[[pl.LazyFrame], pl.LazyFrame]
CLASSES = 100


class Divided(NamedTuple):
    """The splits by name, and how many kept rows lie in none of them."""

    splits: dict[str, Split]
    left_out: int


def split_rows(
    kept: KeptRows,
    split: TimeSplit | RandomSplit | StratifiedSplit | GroupSplit,
    folder: Path,
) -> Divided:
    """Write ``<name>.parquet`` for each split into ``folder``, in one pass and in blocks.

    Raises SplitError for a rule that the contract has no field for, an empty split, and a class of the label with too
    few rows in a split.
    """
    contract = kept.contract
    if isinstance(split, TimeSplit):
        names, divided = list(split.periods()), _by_time(split, contract)
    else:
        names, divided = list(split.shares()), _by_share(kept, split)
    columns = [field.name for field in contract.fields]
    # A kept row that lies in no split is given a place of its own, to be counted; a refused one has none.
    kept_ones = pl.when(MARK).then(pl.col(WHICH).fill_null(len(names))).alias(WHICH)
    left_out = 0
    # Validation has refused the rows that lack what may not be missing.
    filled = {field.name for field in contract.fields if not field.nullable}
    size = rows_at_once(contract)
    with BlockFiles(folder, filled=filled, group=size) as files:
        for block in kept.blocks(size):
            parts, outside = _parts(divided(block).select(*columns, kept_ones), names)
            files.add(parts)
            left_out += outside
    # What comes after the hold-out need not have come yet, and judges nothing.
    awaited = {MONITOR} if not (folder / f"{MONITOR}.parquet").is_file() else set()
    splits = {name: _described(name, folder, contract, split.min_class_rows) for name in names if name not in awaited}
    return Divided(splits, left_out)


def _parts(block: pl.LazyFrame, names: Sequence[str]) -> tuple[dict[str, pl.DataFrame], int]:
    """Return the rows of each split that has some, and how many lie in none."""
    rows = block.collect(engine="streaming")
    which = rows.drop_in_place(WHICH)
    parts = {name: rows.filter(which == place) for place, name in enumerate(names)}
    return {name: part for name, part in parts.items() if part.height}, int((which == len(names)).sum())


def _by_time(split: TimeSplit, contract: ContractSpec) -> Dividing:
    moments = contract.with_role("time")
    if not moments:
        raise SplitError(f"split by time: {contract.name} has no field with the role 'time'")
    moment = pl.col(moments[0].name).cast(pl.Datetime("us"))
    within = []
    for period in split.periods().values():
        # To the last microsecond: the day after the end need not exist.
        start, end = datetime.combine(period.start, time.min), datetime.combine(period.end, time.max)
        within.append((moment >= start) & (moment <= end))
    return lambda rows: rows.with_columns(_first(within).alias(WHICH))


def _first(conditions: Sequence[pl.Expr]) -> pl.Expr:
    """Return the place of the first condition that a row meets; null if it meets none."""
    found = pl.lit(None, dtype=pl.UInt8)
    for place, met in reversed(list(enumerate(conditions))):
        found = pl.when(met).then(pl.lit(place, dtype=pl.UInt8)).otherwise(found)
    return found


def _by_share(kept: KeptRows, split: ShareSplit) -> Dividing:
    contract = kept.contract
    fields: tuple[FieldSpec, ...] = contract.inputs
    if isinstance(split, GroupSplit):
        fields = contract.with_role("group")
        if not fields:
            raise SplitError(f"split by group: {contract.name} has no field with the role 'group'")
    limits = [f"slipway:{name}" for name in split.shares()][:-1]
    highs = dict(zip(limits, list(accumulate(split.shares().values()))[:-1], strict=True))

    def placed(rows: pl.LazyFrame) -> pl.LazyFrame:
        hashed = with_row_hash(rows, fields, PLACE, seed=split.seed)
        return hashed.with_columns(pl.col(PLACE).cast(pl.Float64) / 2.0**64)

    strata = _strata(split, contract) if isinstance(split, StratifiedSplit) else []
    cuts = _cuts(placed(kept.scan()), strata, highs) if strata else None
    if cuts is not None:
        _check_strata(cuts, strata, contract, min(split.shares().values()))

    def divided(rows: pl.LazyFrame) -> pl.LazyFrame:
        found = placed(rows)
        if cuts is None:
            found = found.with_columns(pl.lit(high).alias(limit) for limit, high in highs.items())
        else:
            found = found.join(
                cuts.drop(STRATUM).lazy(), on=strata, how="left", nulls_equal=True, maintain_order="left"
            )
        below = [pl.col(PLACE) < pl.col(limit) for limit in limits]
        return found.with_columns(_first([*below, pl.lit(True)]).alias(WHICH))

    return divided


def _cuts(placed: pl.LazyFrame, strata: list[str], highs: dict[str, float]) -> pl.DataFrame:
    """Return for each stratum the places that divide it in the wanted shares, to a thousandth of its rows or to a row.

    Places are counted in ``CELLS`` of equal width: quantiles would hold a column of every row in memory.
    """
    counted = placed.group_by(*strata, (pl.col(PLACE) * CELLS).floor().alias(CELL)).agg(pl.len().alias(HELD))
    cells = counted.sort(CELL).collect(engine="streaming")
    passed = pl.col(HELD).cum_sum() - pl.col(HELD) / 2
    # A cell whose middle row lies beyond the share is the first of the next split.
    cut = {
        limit: (pl.col(CELL).filter(passed > high * pl.col(HELD).sum()).first().fill_null(CELLS) / CELLS)
        for limit, high in highs.items()
    }
    return cells.group_by(strata, maintain_order=True).agg(pl.col(HELD).sum().alias(STRATUM), **cut)


def _check_strata(cuts: pl.DataFrame, strata: list[str], contract: ContractSpec, least: float) -> None:
    """Raise SplitError if most rows lie in strata too small to have their share in each split."""
    whole = int(cuts[STRATUM].sum())
    thin = int(cuts.filter(pl.col(STRATUM) * least < 1)[STRATUM].sum())
    if 2 * thin <= whole:
        return
    values, field = max((cuts[name].n_unique(), name) for name in strata)
    what = f"the label '{field}'" if field == contract.label.name else f"'{field}'"
    raise SplitError(
        f"split stratified: {what} has {values:,} values in {whole:,} rows, so that {thin:,} rows lie in strata of "
        f"fewer than {math.ceil(1 / least)} rows, which cannot have a share of {least:g} in each split: "
        + ("use by: random" if field == contract.label.name else "leave it out of split.fields, or use by: random")
    )


def _strata(split: StratifiedSplit, contract: ContractSpec) -> list[str]:
    names = [contract.label.name, *(name for name in split.fields if name != contract.label.name)]
    known = {field.name for field in contract.fields}
    if unknown := [name for name in names if name not in known]:
        raise SplitError(f"split stratified: '{unknown[0]}' is not a field of {contract.name}")
    return names


def _described(name: str, folder: Path, contract: ContractSpec, least: int) -> Split:
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise SplitError(f"split '{name}' has no rows: widen it in the workload file, or bring more data")
    moments, label = contract.with_role("time"), pl.col(contract.label.name)
    facts = [pl.len().alias("rows")]
    if contract.label.dtype == "boolean":
        # Counted here and not by group: that is made for keys of any kind, and takes ten times as long.
        facts += [label.sum().alias("yes"), label.count().alias("answered")]
    if moments:
        facts += [pl.col(moments[0].name).min().alias("start"), pl.col(moments[0].name).max().alias("end")]
    found = pl.scan_parquet(path, glob=False).select(facts).collect(engine="streaming").row(0, named=True)
    counts: dict[object, int] = {}
    if contract.label.dtype == "boolean":
        counts = {True: found["yes"], False: found["answered"] - found["yes"], None: found["rows"] - found["answered"]}
    elif contract.label.dtype == "string" or contract.label.allowed:
        rarest = pl.scan_parquet(path, glob=False).group_by(label).len(HELD).sort(HELD).head(CLASSES + 1)
        counts = dict(rarest.collect(engine="streaming").iter_rows())
    if name != MONITOR:
        _check_classes(name, counts, contract.label, found["rows"], least)
    start, end = (str(found[key]) if found.get(key) is not None else None for key in ("start", "end"))
    return Split(
        name=name,
        stored=Reference.of_path(path),
        rows=found["rows"],
        positives=found["yes"] / found["answered"] if found.get("answered") else None,
        start=start,
        end=end,
    )


def _check_classes(name: str, counts: dict[object, int], label: FieldSpec, rows: int, least: int) -> None:
    """Raise SplitError for a class of the label that has too few rows to learn from or to measure on."""
    held = {value: count for value, count in counts.items() if count}
    if label.dtype == "boolean" and len(held) == 1:
        raise SplitError(
            f"split '{name}': every one of its {rows:,} rows has {label.name} = {str(*held).lower()}, so nothing can "
            "be learned or measured there: choose another period, or bring more data"
        )
    expected: tuple[object, ...] = (True, False) if label.dtype == "boolean" else label.allowed
    for value in {**dict.fromkeys(expected if counts else (), 0), **held}:
        if held.get(value, 0) < least:
            raise SplitError(
                f"split '{name}': only {held.get(value, 0):,} of its {rows:,} rows have {label.name} = "
                f"{str(value).lower() if label.dtype == 'boolean' else repr(value)}; at least {least} are needed "
                "(split.min_class_rows): choose another split, or bring more data"
            )
