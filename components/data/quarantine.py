"""Rows that keep the contract go on, the others go to quarantine with every reason: none is dropped silently."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import polars as pl

from components.data.kept_rows import KEPT, MARK, KeptRows
from components.data.parquet import sink
from components.data.results import Snapshot, Validated
from components.errors import ContractError
from components.settings import Home
from components.stage_keys import code_part
from components.storage import atomic_folder, digest_json, scratch_prefix, write_json
from data_contracts.row_checks import RowCheck, keeps, row_checks
from data_contracts.spec import ContractSpec
from data_contracts.validation import check_dataset, judge_loaded_meanwhile

ROWS = "rows.parquet"
MASK = "kept.parquet"
RECORD = "counts.json"


# What decides which rows are kept: a change of it makes new folders, the old ones stay what they are.
CODE = ("components.data.quarantine", "data_contracts.row_checks")


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """What dividing a snapshot gave: counts, and refused rows by reason."""

    kept: int
    quarantined: int
    reasons: dict[str, int]

    @property
    def read(self) -> int:
        return self.kept + self.quarantined


def validate_snapshot(snapshot: Snapshot, contract: ContractSpec, home: Home, where: str) -> Validated:
    """Divide a snapshot into kept and refused rows, then judge the kept rows as a whole.

    Raises ContractError, with the quarantine file kept, if more rows are refused than the contract tolerates, and if
    an expectation about the whole data set fails.
    """
    digest = digest_json([snapshot.digest, contract, code_part(CODE)])
    rooms = home.room("validated")
    rooms.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=rooms, prefix=scratch_prefix("incoming")) as scratch:
        mask, refused = Path(scratch) / MASK, Path(scratch) / ROWS
        with judge_loaded_meanwhile(contract):
            division = divide(snapshot, contract, mask, refused)
        quarantine = _settle(refused, home.room("quarantine", digest), division) if division.quarantined else None
        _check_tolerance(division, contract, where, quarantine)
        mask = _settle(mask, home.room("validated", digest), division)
    docs = home.room("reports", where, "expectations", digest[:16]) if contract.expectations else None
    try:
        expectations = check_dataset(KeptRows(snapshot.path, mask, contract).scan(), division.kept, contract, docs)
    except TypeError as error:
        raise ContractError(f"{where}: {error}") from error
    if failed := [result for result in expectations if not result.success]:
        first = failed[0]
        more = f" (and {len(failed) - 1} more expectations fail)" if len(failed) > 1 else ""
        raise ContractError(
            f"{where}: {contract.name} expects {first.expectation} {first.arguments}, observed {first.observed} "
            f"({first.basis}){more}; see {docs}/index.html"
        )
    return Validated(
        digest=digest,
        path=snapshot.path,
        mask=mask,
        rows=division.kept,
        quarantined=division.quarantined,
        quarantine=quarantine,
        reasons=division.reasons,
        expectations=expectations,
        docs=docs,
    )


def divide(snapshot: Snapshot, contract: ContractSpec, mask: Path, refused: Path) -> Division:
    """Write which rows of a snapshot are kept, and the refused ones, in one pass and bounded memory.

    The kept rows stay where they are: ``mask`` has a boolean for each row of the snapshot. ``refused`` has whole rows.
    """
    frame = pl.scan_parquet(snapshot.path, row_index_name="position")
    columns = frame.collect_schema().names()
    judged = frame.with_columns(keeps(contract, columns).alias(MARK))
    bare = refused.with_name("without-reasons.parquet")
    bad = judged.filter(~pl.col(MARK)).drop(MARK)
    pl.collect_all([sink(judged.select(pl.col(MARK).alias(KEPT)), mask), sink(bad, bare)], engine="streaming")
    reasons = _explain(bare, refused, row_checks(contract, columns))
    read, kept = pl.scan_parquet(mask).select(pl.len(), pl.col(KEPT).sum()).collect().row(0)
    quarantined = pl.scan_parquet(refused).select(pl.len()).collect().item()
    assert kept + quarantined == read == snapshot.rows, "kept + quarantined is not what was read"
    return Division(kept=kept, quarantined=quarantined, reasons=reasons)


def _explain(bare: Path, refused: Path, checks: Sequence[RowCheck]) -> dict[str, int]:
    """Write refused rows with their reasons and return how often each was given, the most frequent first."""
    rows = pl.scan_parquet(bare)
    counts = rows.select(check.broken.sum().alias(check.reason) for check in checks).collect(engine="streaming")
    found = {reason: count for reason, count in counts.to_dicts()[0].items() if count} if checks else {}
    given = [check for check in checks if check.reason in found]
    explained = rows.with_columns(reasons_of(given))
    sink(explained, refused).collect(engine="streaming")
    unexplained = pl.scan_parquet(refused).select((pl.col("reasons").list.len() == 0).sum()).collect().item()
    assert not unexplained, "a row was refused without a reason"
    bare.unlink()
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _settle(file: Path, target: Path, division: Division) -> Path:
    if not target.is_dir():
        with atomic_folder(target) as folder:
            file.rename(folder / file.name)
            write_json(folder / RECORD, division)
    return target / file.name


def reasons_of(checks: Sequence[RowCheck]) -> pl.Expr:
    """Return the list of reasons that a row is refused for, empty for a good one, as the column ``reasons``."""
    texts = [pl.when(check.broken).then(pl.lit(check.reason)) for check in checks]
    if not texts:
        return pl.lit([], dtype=pl.List(pl.String)).alias("reasons")
    return pl.concat_list(texts).list.drop_nulls().alias("reasons")


def _check_tolerance(division: Division, contract: ContractSpec, where: str, refused: Path | None) -> None:
    share = division.quarantined / division.read
    if share > contract.quarantine_tolerance or not division.kept:
        top = ", ".join(f"{reason} ({count:,})" for reason, count in list(division.reasons.items())[:3])
        raise ContractError(
            f"{where}: {division.quarantined:,} of {division.read:,} rows ({share:.2%}) break {contract.name}; the "
            f"contract tolerates {contract.quarantine_tolerance:.2%}. Most often: {top}. The rows are in {refused}"
        )
