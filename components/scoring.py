"""Answer a whole file with a build: every row comes out again, with its probability or the reasons it has none."""

import tempfile
from pathlib import Path

import msgspec
import polars as pl
from pydantic import BaseModel, ConfigDict

from components.build import Build
from components.casting import cast_columns, contract_casts
from components.catalog import find_kind
from components.declaration import Source
from components.errors import SourceError
from components.quarantine import reasons_of
from components.sources import open_source
from data_contracts.row_checks import row_checks

FORMATS = (".parquet", ".csv", ".arrow")


class Scored(BaseModel):
    """What became of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    build_id: str
    target: Path
    rows: int
    refused: int
    refusals: dict[str, int]


def score_file(build: Build, source: Path, target: Path) -> Scored:
    """Score every contract row of a file; ``target`` is whole or absent.

    The output holds the contract's input fields, ``probability`` (null for a refused row) and ``reasons``.
    """
    if target.suffix not in FORMATS:
        raise SourceError(f"cannot write {target.name}: the ending must be one of {', '.join(FORMATS)}")
    if not target.parent.is_dir():
        raise SourceError(f"cannot write {target}: there is no folder {target.parent}")
    contract = build.contract()
    inputs = msgspec.structs.replace(contract, fields=contract.inputs, expectations=())
    names = [field.name for field in inputs.fields]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        checked, valid = Path(scratch, "checked.parquet"), Path(scratch, "valid.parquet")
        try:
            frame = open_source(Source(path=source), inputs)
            casts = cast_columns(contract_casts(frame.collect_schema(), inputs))
            rows = frame.select(casts)
            checks = row_checks(inputs, rows.collect_schema().names())
            rows.select(*names, reasons_of(checks).alias("reasons")).sink_parquet(checked)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(f"{source} cannot be read: {' '.join(str(error).split())[:300]}") from error
        is_valid = pl.col("reasons").list.len() == 0
        pl.scan_parquet(checked).filter(is_valid).select(names).sink_parquet(valid)
        answers = find_kind(build.manifest.kind).predict_file(build.model, contract, valid)
        scored = _joined(pl.read_parquet(checked), is_valid, pl.Series("probability", answers))
        if scored.is_empty():
            raise SourceError(f"{source} has no rows to score")
        _write(scored, Path(scratch, target.name)).replace(target)
    refusals = scored["reasons"].explode().drop_nulls().value_counts(sort=True)
    return Scored(
        build_id=build.build_id,
        target=target,
        rows=len(scored),
        refused=len(scored) - len(answers),
        refusals=dict(refusals.iter_rows()),
    )


def _joined(checked: pl.DataFrame, is_valid: pl.Expr, answers: pl.Series) -> pl.DataFrame:
    """Put each answer beside its row; refused rows have none."""
    place = pl.when(is_valid).then(is_valid.cum_sum() - 1)
    reasons = pl.when(~is_valid).then(pl.col("reasons"))
    return checked.with_columns(pl.lit(answers).gather(place.cast(pl.UInt32)).alias("probability"), reasons)


def _write(scored: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        scored.write_parquet(path)
    elif path.suffix == ".csv":
        scored.with_columns(pl.col("reasons").list.join("; ")).write_csv(path)
    else:
        scored.write_ipc(path)
    return path
