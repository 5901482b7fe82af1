"""Rows that keep the contract go on, the others go to quarantine with every reason: none is dropped silently."""

from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from components.data_results import Snapshot, Validated
from components.errors import ContractError
from components.settings import Home
from components.storage import atomic_folder, digest_json, write_json
from data_contracts.frame_schema import frame_schema
from data_contracts.row_checks import RowCheck, row_checks
from data_contracts.spec import ContractSpec
from data_contracts.validation import ExpectationResult, check_dataset

ROWS = "rows.parquet"
RECORD = "validated.json"
JUDGEMENT = "expectations.json"
FORMAT = 1


def validate_snapshot(snapshot: Snapshot, contract: ContractSpec, home: Home, where: str) -> Validated:
    """Divide a snapshot into kept and refused rows, then judge the kept rows as a whole.

    Raises ContractError, with the quarantine file kept, if more rows are refused than the contract tolerates, and if
    an expectation about the whole data set fails.
    """
    digest = digest_json([FORMAT, snapshot.digest, msgspec.to_builtins(contract)])
    folder = home.room("validated", digest)
    refused = home.room("quarantine", digest) / ROWS
    if not (folder / RECORD).is_file():
        with atomic_folder(folder) as scratch:
            counts = _divide(snapshot, contract, scratch / ROWS, refused)
            write_json(scratch / RECORD, counts)
    counts = msgspec.json.decode((folder / RECORD).read_bytes())
    kept, quarantined = counts["kept"], counts["quarantined"]
    _check_tolerance(counts, snapshot.rows, contract, where, refused)
    docs = home.room("reports", digest, "expectations")
    expectations = _judged(folder, contract, docs)
    if failed := [result for result in expectations if not result.success]:
        first = failed[0]
        raise ContractError(
            f"{where}: {contract.name} expects {first.expectation} {first.arguments}, observed {first.observed} "
            f"({first.basis})"
            + (f" (and {len(failed) - 1} more expectations fail)" if len(failed) > 1 else "")
            + f"; see {docs / 'index.html'}"
        )
    return Validated(
        digest=digest,
        path=folder / ROWS,
        rows=kept,
        quarantined=quarantined,
        quarantine=refused if quarantined else None,
        reasons=counts["reasons"],
        expectations=expectations,
        docs=docs if expectations else None,
    )


def _judged(folder: Path, contract: ContractSpec, docs: Path) -> tuple[ExpectationResult, ...]:
    """Return the judgement of the kept rows, made once: the folder is named after the rows and the contract."""
    record = folder / JUDGEMENT
    if record.is_file() and (docs.is_dir() or not contract.expectations):
        return tuple(ExpectationResult.model_validate(found) for found in msgspec.json.decode(record.read_bytes()))
    results = check_dataset(folder / ROWS, contract, docs)
    write_json(record, [result.model_dump(mode="json") for result in results])
    return results


def _divide(snapshot: Snapshot, contract: ContractSpec, kept: Path, refused: Path) -> dict[str, Any]:
    frame = pl.scan_parquet(snapshot.path, row_index_name="position")
    checks = row_checks(contract, frame.collect_schema().names())
    broken = pl.any_horizontal([check.broken for check in checks]) if checks else pl.lit(False)
    judged = frame.with_columns(broken.alias("broken"))
    names = frame_schema(contract).names()
    with atomic_folder(refused.parent) as folder:
        good = judged.filter(~pl.col("broken")).select(names)
        bad = judged.filter("broken").drop("broken").with_columns(reasons_of(checks))
        _, _, counted = pl.collect_all(
            [
                good.sink_parquet(kept, lazy=True, compression_level=1),
                bad.sink_parquet(folder / ROWS, lazy=True, compression_level=1),
                judged.select(pl.col("broken").sum().alias("quarantined"), pl.len().alias("read")),
            ],
            engine="streaming",
        )
        written = [pl.scan_parquet(file).select(pl.len()).collect().item() for file in (kept, folder / ROWS)]
        assert sum(written) == counted["read"].item() == snapshot.rows, "kept + quarantined is not what was read"
        reasons = (
            pl.scan_parquet(folder / ROWS)
            .select(pl.col("reasons").explode())
            .group_by("reasons")
            .len()
            .sort(["len", "reasons"], descending=[True, False])
            .collect(engine="streaming")
        )
    return {"kept": written[0], "quarantined": written[1], "reasons": dict(reasons.iter_rows())}


def reasons_of(checks: list[RowCheck]) -> pl.Expr:
    """Return the list of reasons of each row, empty for a row that keeps the contract."""
    texts = [pl.when(check.broken).then(pl.lit(check.reason)) for check in checks]
    if not texts:
        return pl.lit([], dtype=pl.List(pl.String)).alias("reasons")
    return pl.concat_list(texts).list.drop_nulls().alias("reasons")


def _check_tolerance(counts: dict[str, Any], read: int, contract: ContractSpec, where: str, refused: Path) -> None:
    share = counts["quarantined"] / read
    if share > contract.quarantine_tolerance or counts["kept"] == 0:
        top = ", ".join(f"{reason} ({count:,})" for reason, count in list(counts["reasons"].items())[:3])
        raise ContractError(
            f"{where}: {counts['quarantined']:,} of {read:,} rows ({share:.2%}) break {contract.name}; the contract "
            f"tolerates {contract.quarantine_tolerance:.2%}. Most often: {top}. The rows are in {refused}"
        )
