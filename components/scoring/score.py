"""Answer a whole file with a build: every row comes out again, with its answer or the reasons it has none.

The file is read once, part by part, so memory does not grow with it: each core checks and answers a part of its own,
while the next is read and the one before is written. The answers of finished parts lie beside the target until it is
whole: a run that was stopped does not compute them again, if build and source are still the same.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from polars import selectors
from pydantic import Field

from components.artefacts.build import Build
from components.artefacts.errors import SourceError
from components.catalog import find_kind
from components.data.record_batches import record_batch
from components.declaration.source import Source
from components.result import Result
from components.scoring.joined import JoinedWriter, stored_columns
from components.scoring.output import WRITERS, Output
from components.scoring.parts import Judge, Judged, Part, read_parts, spread
from components.scoring.work_folder import work_folder
from data_contracts.description.spec import ContractSpec
from data_contracts.language.frame_schema import RAW

PART_ROWS = 131_072
# Characters of a text that was no value of its field, in the reasons of its row.
SHOWN = 200
NO_ANSWER = "the model has no finite answer to this row"

Item = TypeVar("Item")
Made = TypeVar("Made")


class Scored(Result):
    """What became of a file."""

    build_id: str
    target: Path
    rows: int
    refused: int
    refusals: dict[str, int]
    left_out: tuple[str, ...] = Field((), description="Columns of the file that the contract does not name.")


class _Answered(NamedTuple):
    """A part as it will be written, and what became of its rows."""

    table: pa.RecordBatch
    refused: int
    reasons: pl.Series


def score_file(
    build: Build,
    source: Path,
    target: Path,
    part_rows: int = PART_ROWS,
    *,
    answers_only: bool = False,
    like: Source | None = None,
) -> Scored:
    """Score every contract row of a file; ``target`` is whole or absent.

    The output holds the contract's input fields (left out with ``answers_only``: the rows keep their order), the answer
    (null for a refused row) and ``reasons``, which have the text of what was no value of its field. ``like`` says how a
    text file is written.
    """
    if target.suffix not in WRITERS:
        raise SourceError(f"cannot write {target.name}: the ending must be one of {', '.join(WRITERS)}")
    with suppress(OSError):
        if target.samefile(source):
            raise SourceError(f"{target} is the file that is to be scored: give another name, or its rows are lost")
    with work_folder(build, source, target, part_rows, like) as work:
        scored = _score(build, source, target, work, part_rows, answers_only, like)
        (work / target.name).replace(target)
    return scored


def _score(
    build: Build, source: Path, target: Path, work: Path, part_rows: int, answers_only: bool, like: Source | None
) -> Scored:
    contract = build.contract()
    inputs = msgspec.structs.replace(contract, fields=contract.inputs, expectations=())
    read = read_parts(source, inputs, work, part_rows, like)
    stored = None
    if read.footer is not None and target.suffix == ".parquet" and not answers_only:
        stored = stored_columns(source, read.footer, [field.name for field in inputs.fields])
    answerer = _Answerer(build, inputs, work, answers_only or stored is not None)
    writer = WRITERS[target.suffix] if stored is None else partial(JoinedWriter, stored=stored)
    cores = os.cpu_count() or 1
    counts = Counter[str]()
    rows = refused = 0
    with closing(Output(work / target.name, writer)) as output, ThreadPoolExecutor(cores) as pool:
        # One more than are answered: a core never waits for the reader.
        for answered in _in_order(pool, answerer.answer, enumerate(read.parts), cores + 1):
            output.append(answered.table)
            rows += answered.table.num_rows
            refused += answered.refused
            counts.update(answered.reasons.drop_nulls().explode())
    if not rows:
        raise SourceError(f"{source} has no rows to score")
    if stored is not None and rows != stored.rows:
        raise SourceError(f"{source} has {rows:,} rows where its footer says {stored.rows:,}")
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Scored(
        build_id=build.build_id, target=target, rows=rows, refused=refused, refusals=ordered, left_out=read.others
    )


class _Answerer:
    """Answers parts, from several threads at once; the answers are kept in case the run is stopped."""

    def __init__(self, build: Build, inputs: ContractSpec, work: Path, answers_only: bool) -> None:
        self._bulk = find_kind(build.manifest.kind).batches(build.parts(), build.contract())
        self._shape = build.serving().answer
        self._judge = Judge(inputs)
        self._work = work
        self._answers_only = answers_only

    def answer(self, numbered: tuple[int, Part]) -> _Answered:
        """Judge the rows of a part, and answer those that are valid."""
        number, part = numbered
        judged = self._judge.judge(part)
        answers = self._answers(part.rows, judged.is_kept, self._work / f"part-{number:06}.npy")
        judged, answers = _finite(judged, answers)
        table = record_batch(pl.DataFrame([*answers.get_columns(), _with_texts(judged.reasons, part.raw)]))
        if not self._answers_only:
            names = [*part.rows.schema.names, *table.schema.names]
            table = pa.RecordBatch.from_arrays([*part.rows.columns, *table.columns], names=names)
        return _Answered(table, part.rows.num_rows - int(judged.is_kept.sum()), judged.reasons)

    def _answers(self, rows: pa.RecordBatch, is_kept: pl.Series, path: Path) -> pl.DataFrame:
        """Return the answers of a part, null for a refused row; ``path`` holds those of the others."""
        valid = rows if is_kept.all() else rows.filter(is_kept.to_arrow())
        answers = _kept(path, valid.num_rows)
        if answers is None:
            answers = self._bulk.predict(valid)
            np.save(path, answers)
        known = pl.DataFrame(self._shape.named(answers))
        return known if valid is rows else spread(known, is_kept)


def _with_texts(reasons: pl.Series, raw: Sequence[pl.Series]) -> pl.Series:
    """Add to the reasons of a row the texts that did not become values of their fields: the cells have none."""
    told = [one for one in raw if one.null_count() < len(one)]
    if not told:
        return reasons
    texts = [
        # Null where there is no text.
        pl.concat_str(pl.lit(f"{one.name.removesuffix(RAW)} was '"), pl.col(one.name).str.slice(0, SHOWN), pl.lit("'"))
        for one in told
    ]
    both = pl.DataFrame([reasons, *told]).select(
        pl.when(pl.col("reasons").is_not_null()).then(
            pl.col("reasons").list.concat(pl.concat_list(texts).list.drop_nulls())
        )
    )
    return both.to_series().alias("reasons")


def _finite(judged: Judged, answers: pl.DataFrame) -> tuple[Judged, pl.DataFrame]:
    """Refuse the rows whose answer is not a number: they keep the contract, but the model cannot compute with them."""
    finite = answers.select(pl.all_horizontal(selectors.float().is_finite().fill_null(True))).to_series()
    if finite.all():
        return judged, answers
    reasons = pl.select(
        pl.when(finite).then(judged.reasons).otherwise(pl.lit([NO_ANSWER])).alias("reasons")
    ).to_series()
    nothing = answers.select(pl.when(finite).then(pl.all()))
    return Judged(judged.is_kept & finite, reasons), nothing


def _kept(path: Path, rows: int) -> NDArray[np.float32] | None:
    """Return the answers of a part that an earlier run finished, if that is there and whole."""
    try:
        answers: NDArray[np.float32] = np.load(path)
    except (FileNotFoundError, EOFError, ValueError):
        return None
    return answers if len(answers) == rows else None


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Made], items: Iterable[Item], ahead: int
) -> Iterator[Made]:
    """Yield what a function makes of each item, in order; at most ``ahead`` of them wait or are being made."""
    begun = deque[Future[Made]]()
    for item in items:
        begun.append(pool.submit(function, item))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
