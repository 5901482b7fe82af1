"""Rows that keep the contract go on, the others go to quarantine with every reason: none is dropped silently."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from components.artefacts.errors import ContractError
from components.artefacts.storage import digest_json, scratch_prefix, write_json
from components.data.kept_rows import KEPT
from components.data.parquet import BLOCK, BlockFiles, rows_at_once, sink
from components.data.proven_fields import unproven
from components.data.pseudonyms import check_pii, hashed_pii
from components.data.results import Snapshot, Validated
from components.settings import Home
from components.stage_keys import code_part
from components.store.reference import Reference
from components.store.store import Room
from data_contracts.description.spec import ContractSpec
from data_contracts.language.row_checks import RowCheck, keeps, row_checks

ROWS = "rows.parquet"
MASK = "kept.parquet"
RECORD = "counts.json"
POSITION = "position"
REASONS = pl.List(pl.String)


# What decides which rows are kept: a change of it makes new folders, the old ones stay what they are.
CODE = (
    "components.data.pseudonyms",
    "components.data.quarantine",
    "components.data.proven_fields",
    "data_contracts.language.row_checks",
)


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """What dividing a snapshot gave: its digest, counts, and refused rows by reason."""

    snapshot: str
    kept: int
    quarantined: int
    reasons: dict[str, int]

    @property
    def read(self) -> int:
        return self.kept + self.quarantined


def validate_snapshot(snapshot: Snapshot, contract: ContractSpec, home: Home, where: str) -> Validated:
    """Divide a snapshot into kept and refused rows.

    Raises ContractError, with the quarantine file kept, if more rows are refused than the contract tolerates.
    """
    check_pii(contract)
    digest = digest_json([snapshot.digest, contract, code_part(CODE)])
    rooms = home.room("validated")
    rooms.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=rooms, prefix=scratch_prefix("incoming")) as scratch:
        mask, refused = Path(scratch) / MASK, Path(scratch) / ROWS
        division = divide(snapshot, contract, mask, refused, home)
        quarantine = _settle(refused, "quarantine", digest, division, home) if division.quarantined else None
        _check_tolerance(division, contract, where, quarantine)
        kept = _settle(mask, "validated", digest, division, home)
    return Validated(
        digest=digest,
        stored=snapshot.stored,
        stored_mask=kept,
        rows=division.kept,
        quarantined=division.quarantined,
        stored_quarantine=quarantine,
        reasons=division.reasons,
        snapshot=snapshot.digest,
    )


def divide(snapshot: Snapshot, contract: ContractSpec, mask: Path, refused: Path, home: Home) -> Division:
    """Write which rows of a snapshot are kept, and the refused ones, in one pass and bounded memory.

    The kept rows stay where they are: ``mask`` has a boolean for each row of the snapshot. ``refused`` has whole rows,
    with hashes for the values of pii fields; by their positions the values are found in the snapshot.
    """
    frame = pl.scan_parquet(snapshot.path, glob=False, row_index_name=POSITION)
    columns = frame.collect_schema().names()
    # Only what could break a rule is read for every row; the other columns only where a row is refused.
    doubtful = unproven(snapshot, contract)
    bad = frame.filter(~keeps(doubtful, columns)).with_columns(reasons_of(row_checks(doubtful, columns)))
    sink(hashed_pii(bad, contract, home), refused, group=rows_at_once(contract)).collect(engine="streaming")
    _write_mask(refused, snapshot.rows, mask)
    reasons = pl.scan_parquet(refused, glob=False).select("reasons")
    unexplained = reasons.select((pl.col("reasons").list.len() == 0).sum()).collect().item()
    assert not unexplained, "a row was refused without a reason"
    counts = reasons.explode("reasons").group_by("reasons").len().collect(engine="streaming")
    read = frame.select(pl.len()).collect().item()
    kept = pl.scan_parquet(mask, glob=False).select(pl.col(KEPT).sum()).collect().item()
    quarantined = pl.scan_parquet(refused, glob=False).select(pl.len()).collect().item()
    assert kept + quarantined == read == snapshot.rows, "kept + quarantined is not what was read"
    most_first = sorted(counts.iter_rows(), key=lambda item: (-item[1], item[0]))
    return Division(snapshot=snapshot.digest, kept=kept, quarantined=quarantined, reasons=dict(most_first))


def _write_mask(refused: Path, rows: int, mask: Path) -> None:
    positions = pl.read_parquet(refused, glob=False, columns=[POSITION]).to_series().to_numpy()
    with BlockFiles(mask.parent) as files:
        for start in range(0, rows, BLOCK):
            kept = np.ones(min(BLOCK, rows - start), dtype=np.bool_)
            first, last = np.searchsorted(positions, (start, start + BLOCK))
            kept[positions[first:last] - start] = False
            files.add({mask.stem: pl.DataFrame({KEPT: kept})})


def _settle(file: Path, room: Room, digest: str, division: Division, home: Home) -> Reference:
    if not home.store.exists(room, digest):
        folder = file.parent / room
        folder.mkdir()
        file.rename(folder / file.name)
        write_json(folder / RECORD, division)
        home.store.commit(room, digest, folder)
    return home.reference(room, digest, file.name)


def reasons_of(checks: Sequence[RowCheck]) -> pl.Expr:
    """Return the list of reasons that a row is refused for, empty for a good one, as the column ``reasons``."""
    if not checks:
        return pl.lit([], dtype=REASONS).alias("reasons")
    broken = pl.struct([check.broken.alias(check.reason) for check in checks])
    return broken.map_batches(_listed, return_dtype=REASONS, is_elementwise=True).alias("reasons")


def _listed(broken: pl.Series) -> pl.Series:
    """Return the names of the true fields of each row.

    A list is made once for each combination of broken rules: there are few, and building one a row is slow.
    """
    flags = broken.struct.unnest()
    given = [rule.name for rule in flags if rule.any()]
    if not given:
        return pl.Series([[]], dtype=REASONS).new_from_index(0, len(broken))
    names = [pl.when(rule).then(pl.lit(rule)) for rule in given]
    lists = flags.select(given).unique().with_columns(pl.concat_list(names).list.drop_nulls().alias("reasons"))
    return flags.join(lists, on=given, how="left", maintain_order="left")["reasons"]


def _check_tolerance(division: Division, contract: ContractSpec, where: str, refused: Reference | None) -> None:
    share = division.quarantined / division.read
    if share > contract.quarantine_tolerance or not division.kept:
        top = ", ".join(f"{reason} ({count:,})" for reason, count in list(division.reasons.items())[:3])
        raise ContractError(
            f"{where}: {division.quarantined:,} of {division.read:,} rows ({share:.2%}) break {contract.name}; the "
            f"contract tolerates {contract.quarantine_tolerance:.2%}. Most often: {top}. The rows are in {refused}"
        )
