"""Answer a whole file with a build: every row comes out again, with its answer or the reasons it has none.

The file is read once, part by part, so memory does not grow with it: while one part is answered, the next is read and
checked and the one before is written. The answers of finished parts lie beside the target until it is whole: a run that
was stopped does not compute them again, if build and source are still the same.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from components.answer_shape import AnswerShape
from components.builds.build import Build
from components.catalog import Bulk, find_kind
from components.data.casting import cast_columns, contract_casts
from components.data.quarantine import reasons_of
from components.data.sources import open_source
from components.declaration import Source
from components.delivery.score_output import WRITERS, Output
from components.errors import SourceError
from components.result import Result
from components.storage import digest_json
from data_contracts.row_checks import RowCheck, keeps, row_checks
from data_contracts.spec import ContractSpec

# A multiple of the rows that are answered in one call.
PART_ROWS = 131_072
KEPT = ":kept"


class Scored(Result):
    """What became of a file."""

    build_id: str
    target: Path
    rows: int
    refused: int
    refusals: dict[str, int]


class _Part(NamedTuple):
    """Some rows: all of them as they will be written, the valid ones to answer, and why the others are not."""

    rows: pl.DataFrame
    is_kept: pl.Series
    reasons: pl.Series


def score_file(
    build: Build, source: Path, target: Path, part_rows: int = PART_ROWS, *, answers_only: bool = False
) -> Scored:
    """Score every contract row of a file; ``target`` is whole or absent.

    The output holds the contract's input fields (left out with ``answers_only``: the rows keep their order), the answer
    (null for a refused row) and ``reasons``.
    """
    if target.suffix not in WRITERS:
        raise SourceError(f"cannot write {target.name}: the ending must be one of {', '.join(WRITERS)}")
    if not target.parent.is_dir():
        raise SourceError(f"cannot write {target}: there is no folder {target.parent}")
    work = _work_folder(build, source, target, part_rows)
    contract = build.contract()
    inputs = msgspec.structs.replace(contract, fields=contract.inputs, expectations=())
    bulk = find_kind(build.manifest.kind).open_bulk(build.model, contract, os.cpu_count() or 1)
    shape = build.serving().answer
    counts = Counter[str]()
    rows = refused = 0
    try:
        with closing(Output(work / target.name)) as output:
            for number, part in enumerate(_parts(source, inputs, work, part_rows)):
                answers = _answers(part, bulk, shape, work / f"part-{number:06}.arrow")
                columns = [] if answers_only else part.rows.get_columns()
                output.append(pl.DataFrame([*columns, *answers.get_columns(), part.reasons]))
                rows += len(part.rows)
                refused += len(part.rows) - int(part.is_kept.sum())
                counts.update(part.reasons.drop_nulls().explode())
        if not rows:
            raise SourceError(f"{source} has no rows to score")
    except SourceError:
        shutil.rmtree(work)
        raise
    (work / target.name).replace(target)
    shutil.rmtree(work)
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Scored(build_id=build.build_id, target=target, rows=rows, refused=refused, refusals=ordered)


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


def _parts(source: Path, inputs: ContractSpec, work: Path, part_rows: int) -> Iterator[_Part]:
    """Yield the file's rows with the contract's types, checked; Polars reads ahead by itself."""
    try:
        frame = open_source(Source(path=source), inputs, work)
        rows = frame.select(cast_columns(contract_casts(frame.collect_schema(), inputs)))
        columns = rows.collect_schema().names()
        checks = row_checks(inputs, columns)
        judged = rows.with_columns(keeps(inputs, columns).alias(KEPT))
        for part in judged.collect_batches(chunk_size=part_rows, maintain_order=True):
            yield _divided(part, inputs, checks)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{source} cannot be read: {' '.join(str(error).split())[:300]}") from error


def _divided(part: pl.DataFrame, inputs: ContractSpec, checks: Sequence[RowCheck]) -> _Part:
    """Explain what is refused; the reasons of the few cost as much as judging all."""
    is_kept = part[KEPT]
    # Few strings of a column are different: as categories they are looked up and written once each. The categories are
    # the part's own, so that memory does not grow with the file.
    coded = pl.col(pl.String).cast(pl.Categorical(pl.Categories.random()))
    rows = part.select([field.name for field in inputs.fields]).with_columns(coded)
    empty = pl.Series("reasons", [None], dtype=pl.List(pl.String))
    if is_kept.all():
        return _Part(rows, is_kept, empty.new_from_index(0, len(rows)))
    explained = part.filter(~is_kept).select(reasons_of(checks))["reasons"]
    assert explained.list.len().min() != 0, "a row was refused without a reason"
    return _Part(rows, is_kept, _spread(explained.to_frame(), ~is_kept).to_series())


def _answers(part: _Part, bulk: Bulk, shape: AnswerShape, path: Path) -> pl.DataFrame:
    """Return the answers of a part, null for a refused row; they are kept in ``path`` in case the run is stopped."""
    valid = part.rows if part.is_kept.all() else part.rows.filter(part.is_kept)
    known = pl.read_ipc(path) if path.is_file() else None
    if known is None or len(known) != len(valid):
        known = pl.DataFrame(shape.named(bulk.predict(valid)))
        scratch = path.with_suffix(".scratch")
        known.write_ipc(scratch)
        scratch.replace(path)
    return known if valid is part.rows else _spread(known, part.is_kept)


def _spread(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """Return rows where ``places`` is true, in order, and nulls elsewhere."""
    index = pl.select(pl.when(places).then(places.cum_sum() - 1).cast(pl.UInt32)).to_series()
    return rows.select(pl.all().gather(index))
