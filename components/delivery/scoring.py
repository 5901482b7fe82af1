"""Answer a whole file with a build: every row comes out again, with its answer or the reasons it has none.

The file is checked once, then answered part by part, so memory does not grow with it. Parts lie beside the target until
it is whole: a run that was stopped goes on where it was, if build and source are still the same.
"""

import os
import shutil
from pathlib import Path

import msgspec
import polars as pl
from pydantic import BaseModel, ConfigDict

from components.catalog import find_kind
from components.data.casting import cast_columns, contract_casts
from components.data.quarantine import reasons_of
from components.data.sources import open_source
from components.declaration import Source
from components.delivery.build import Build
from components.errors import SourceError
from components.storage import digest_json
from data_contracts.row_checks import row_checks
from data_contracts.spec import ContractSpec

FORMATS = (".parquet", ".csv", ".arrow")
PART_ROWS = 250_000


class Scored(BaseModel):
    """What became of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    build_id: str
    target: Path
    rows: int
    refused: int
    refusals: dict[str, int]


def score_file(build: Build, source: Path, target: Path, part_rows: int = PART_ROWS) -> Scored:
    """Score every contract row of a file; ``target`` is whole or absent.

    The output holds the contract's input fields, the answer (null for a refused row) and ``reasons``.
    """
    if target.suffix not in FORMATS:
        raise SourceError(f"cannot write {target.name}: the ending must be one of {', '.join(FORMATS)}")
    if not target.parent.is_dir():
        raise SourceError(f"cannot write {target}: there is no folder {target.parent}")
    work = _work_folder(build, source, target, part_rows)
    contract = build.contract()
    inputs = msgspec.structs.replace(contract, fields=contract.inputs, expectations=())
    try:
        checked = _checked(source, inputs, work)
        parts = _parts(build, contract, checked, work, part_rows)
        if not parts:
            raise SourceError(f"{source} has no rows to score")
        scored = pl.scan_parquet(parts)
        _write(scored, work / target.name).replace(target)
        result = _result(build, scored, target)
    except SourceError:
        shutil.rmtree(work)
        raise
    shutil.rmtree(work)
    return result


def _work_folder(build: Build, source: Path, target: Path, part_rows: int) -> Path:
    """Return the folder of this run's parts; what a run with another build or source left behind is removed."""
    if not source.is_file():
        raise SourceError(f"{source} does not exist; give a Parquet, CSV or Arrow file")
    status = source.stat()
    key = digest_json([build.build_id, str(source.resolve()), status.st_size, status.st_mtime_ns, part_rows])[:16]
    work = target.parent / f".{target.name}.{key}"
    for stale in target.parent.glob(f".{target.name}.????????????????"):
        if stale != work:
            shutil.rmtree(stale)
    work.mkdir(exist_ok=True)
    return work


def _checked(source: Path, inputs: ContractSpec, work: Path) -> Path:
    """Write the file's rows with the contract's types and the reasons against each of them, in bounded memory."""
    checked = work / "checked.parquet"
    if checked.is_file():
        return checked
    try:
        frame = open_source(Source(path=source), inputs, work)
        rows = frame.select(cast_columns(contract_casts(frame.collect_schema(), inputs)))
        checks = row_checks(inputs, rows.collect_schema().names())
        names = [field.name for field in inputs.fields]
        scratch = work / "checked.scratch"
        # Compressed lightly, and in small row groups, because each part reads its own.
        rows.select(*names, reasons_of(checks).alias("reasons")).sink_parquet(
            scratch, compression="lz4", row_group_size=50_000
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{source} cannot be read: {' '.join(str(error).split())[:300]}") from error
    return scratch.replace(checked)


def _parts(build: Build, contract: ContractSpec, checked: Path, work: Path, part_rows: int) -> list[Path]:
    """Answer part after part, and return their files; those that are there already are not answered again."""
    total = pl.scan_parquet(checked).select(pl.len()).collect().item()
    parts = []
    for number, start in enumerate(range(0, total, part_rows)):
        part = work / f"part-{number:06}.parquet"
        if not part.is_file():
            rows = pl.scan_parquet(checked).slice(start, part_rows).collect(engine="streaming")
            scratch = part.with_suffix(".scratch")
            _answered(build, contract, rows, work).write_parquet(scratch, compression="lz4")
            scratch.replace(part)
        parts.append(part)
    return parts


def _answered(build: Build, contract: ContractSpec, rows: pl.DataFrame, work: Path) -> pl.DataFrame:
    """Put each answer beside its row; refused rows have reasons instead."""
    is_valid = pl.col("reasons").list.len() == 0
    valid = work / "valid.parquet"
    rows.lazy().filter(is_valid).drop("reasons").collect().write_parquet(valid, compression="uncompressed")
    answers = find_kind(build.manifest.kind).predict_file(build.model, contract, valid, os.cpu_count() or 1)
    place = pl.when(is_valid).then(is_valid.cum_sum() - 1).cast(pl.UInt32)
    columns = build.serving().answer.named(answers)
    return rows.with_columns(
        *(pl.lit(pl.Series(column)).gather(place).alias(name) for name, column in columns.items()),
        pl.when(~is_valid).then(pl.col("reasons")),
    )


def _write(scored: pl.LazyFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        scored.sink_parquet(path)
    elif path.suffix == ".csv":
        scored.with_columns(pl.col("reasons").list.join("; ")).sink_csv(path)
    else:
        scored.sink_ipc(path)
    return path


def _result(build: Build, scored: pl.LazyFrame, target: Path) -> Scored:
    refused = pl.col("reasons").is_not_null()
    counts = scored.select(pl.len().alias("rows"), refused.sum().alias("refused")).collect(engine="streaming")
    reasons = scored.filter(refused).select(pl.col("reasons").explode()).group_by("reasons").len()
    ordered = reasons.sort(["len", "reasons"], descending=[True, False]).collect(engine="streaming")
    rows, count = counts.row(0)
    return Scored(build_id=build.build_id, target=target, rows=rows, refused=count, refusals=dict(ordered.iter_rows()))
