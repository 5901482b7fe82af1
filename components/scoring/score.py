"""Answer a whole file with a build: each row comes out again under its key, with its answer or the reasons it has none.

Polars reads and writes piece by piece beside the model, so memory does not grow with the file.
"""

import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source
from pydantic import Field

from components import apart
from components.artefacts.build import Build, open_build
from components.artefacts.errors import HostError, SourceError
from components.artefacts.storage import scratch_prefix, sweep
from components.data.parquet import rows_at_once
from components.data.sources.casting import BESIDE, cast_columns, contract_casts
from components.data.sources.csv_files import SHORT, separator_of
from components.data.sources.rewriting import as_in_source
from components.data.sources.source import open_source
from components.data.sources.source_files import FORMATS, Opened
from components.declaration.source import Source
from components.result import Result
from components.scoring.answering import KEY, Answerer
from data_contracts.description.spec import ContractSpec, FieldSpec

# The column that holds a row's number, from 0, where no column of the file is its key.
ROW = "row"
# Rows that are answered at once; fewer where a row may be large. Always as many for one contract: with another number,
# an answer may differ in its last bit.
PART_ROWS = 131_072
# Of a source: how its files are written, which those that are scored are, too.
_HOW_WRITTEN = {"separator", "null_values", "max_unpacked_bytes", "rename", "dates", "decimal_comma", "values"}
_UNWRITABLE = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS}


def _sink_csv(answers: pl.LazyFrame, file: Path) -> None:
    answers.with_columns(pl.col(pl.List(pl.String)).list.join("; ")).sink_csv(file)


SINKS: dict[str, Callable[[pl.LazyFrame, Path], Any]] = {
    ".parquet": partial(pl.LazyFrame.sink_parquet, compression="snappy"),
    ".csv": _sink_csv,
    ".arrow": pl.LazyFrame.sink_ipc,
}


class Scored(Result):
    """What became of a file."""

    build_id: str
    target: Path
    rows: int
    refused: int
    refusals: dict[str, int]
    left_out: tuple[str, ...] = Field((), description="Columns of the file that did not go into the target.")


class Question(msgspec.Struct, frozen=True):
    """A build, opened anew with the same key and id, and what ``score_file`` takes; ``like`` as JSON.

    As JSON both ways: what a damaged process answers is read here, and must not be able to run anything.
    """

    build: str
    public_key: str | None
    build_id: str
    source: str
    target: str
    key: str | None
    with_inputs: bool
    like: str | None


def score_apart(
    build: Build,
    source: Path,
    target: Path,
    *,
    key: str | None = None,
    with_inputs: bool = False,
    like: Source | None = None,
) -> Scored:
    """Score a file as ``score_file`` does, in a process of its own: what the file holds may end whoever unpacks it.

    SourceError too if the file does, HostError if the process ends for want of memory.
    """
    public_key = None if build.public_key is None else str(build.public_key)
    written = None if like is None else like.model_dump_json()
    question = Question(
        str(build.path), public_key, build.build_id, str(source), str(target), key, with_inputs, written
    )
    try:
        return Scored.model_validate_json(apart.ask(__name__, msgspec.json.encode(question)))
    except apart.Died as death:
        told = f"{source} cannot be scored: the process that read it ended with {death}"
        if death.hint:
            raise HostError(f"{told}: {death.hint}; nothing was written to {target}") from None
        raise SourceError(
            f"{told}; nothing was written to {target}. The file is damaged: write it anew, or have another program "
            "read it and write it again"
        ) from None
    finally:
        # Of a process that was killed something unfinished may be left.
        with suppress(OSError):
            sweep(target.parent, below=False)


def answer(asked: bytes) -> bytes:
    """Score the file of a question, in the process that may end by it."""
    told = msgspec.json.decode(asked, type=Question)
    public_key = None if told.public_key is None else Path(told.public_key)
    build = open_build(Path(told.build), public_key, build_id=told.build_id)
    like = None if told.like is None else Source.model_validate_json(told.like)
    try:
        scored = score_file(
            build, Path(told.source), Path(told.target), key=told.key, with_inputs=told.with_inputs, like=like
        )
    except MemoryError as error:
        raise SourceError(f"{told.source} cannot be scored: it takes more memory than is free") from error
    return scored.model_dump_json().encode()


def score_file(
    build: Build,
    source: Path,
    target: Path,
    *,
    key: str | None = None,
    with_inputs: bool = False,
    like: Source | None = None,
) -> Scored:
    """Score every contract row of a file; ``target`` is whole or absent.

    The output holds the column ``key`` of the file (or the number of the row), with ``with_inputs`` the contract's
    input fields, the answer (null for a refused row) and ``reasons``, which have the text of what was no value of its
    field. The rows keep their order. ``like`` says how a text file is written.
    """
    if target.suffix not in SINKS:
        raise SourceError(f"cannot write {target.name}: the ending must be one of {', '.join(SINKS)}")
    if not source.is_file():
        raise SourceError(f"{source} does not exist; give a Parquet, CSV, Arrow or JSON lines file")
    if not target.parent.is_dir():
        raise SourceError(f"cannot write {target}: there is no folder {target.parent}")
    try:
        if target.is_dir():
            raise SourceError(f"cannot write {target}: it is a folder")
        if target.exists() and target.samefile(source):
            raise SourceError(f"{target} is the file that is to be scored: give another name, or its rows are lost")
        sweep(target.parent, below=False)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=scratch_prefix("scored")) as scratch:
            whole = Path(scratch) / f"scored{target.suffix}"
            scored = _score(build, source, whole, key, with_inputs, like)
            whole.replace(target)
    except OSError as error:
        raise HostError(f"cannot write {target}: {error.strerror or error}") from error
    return scored.model_copy(update={"target": target})


def _score(build: Build, source: Path, target: Path, key: str | None, with_inputs: bool, like: Source | None) -> Scored:
    contract = build.contract()
    inputs = msgspec.structs.replace(contract, fields=contract.inputs, expectations=())
    with _readable(source):
        opened = _open(source, inputs, target.parent, key, like)
        found = opened.rows.collect_schema()
        if key is not None and key not in found:
            raise SourceError(f"{source} has no column '{key}' to be the key; it has: {', '.join(found)}")
        answerer = Answerer(build, inputs, opened, key or ROW, with_inputs=with_inputs)
        if twice := sorted({name for name in answerer.columns if answerer.columns.count(name) > 1}):
            raise SourceError(f"the answers would have the column '{twice[0]}' twice: name another key")
        try:
            _stream(_keyed(opened, inputs, key), inputs, answerer, target)
            if opened.format in ("parquet", "ipc"):
                _check_all_came(opened, answerer.rows)
        except pl.exceptions.PolarsError as error:
            if fault := opened.fault():
                raise SourceError(fault) from error
            raise
        answerer.refuse_faults()
    if not answerer.rows:
        raise SourceError(f"{source} has no rows to score")
    refusals = dict(sorted(answerer.refusals.items(), key=lambda item: (-item[1], item[0])))
    known = {key, *(field.name for field in inputs.fields)}
    others = tuple(name for name in found.names() if name not in known and not name.startswith(BESIDE))
    return Scored(
        build_id=build.build_id,
        target=target,
        rows=answerer.rows,
        refused=answerer.refused,
        refusals=refusals,
        left_out=others,
    )


def _open(source: Path, inputs: ContractSpec, scratch: Path, key: str | None, like: Source | None) -> Opened:
    """Open a file as a source that is written as another one; its own header may show another separator."""
    names = {field.name for field in inputs.fields}
    if key is not None and key not in names:
        beside = FieldSpec(name=key, dtype="string", description="The key of a row.")
        inputs = msgspec.structs.replace(inputs, fields=(*inputs.fields, beside))
    written = like.model_dump(include=_HOW_WRITTEN) if like else {}
    file = Source(path=str(source), **written)
    written_names = {field.name for field in as_in_source(inputs, file).fields}
    if like is not None and FORMATS.get(source.suffix.lower()) == "csv":
        file = file.model_copy(update={"separator": separator_of(source, file, written_names)})
    return open_source(file, inputs, scratch)


def _keyed(opened: Opened, inputs: ContractSpec, key: str | None) -> pl.LazyFrame:
    """Return the rows with the contract's types, and each with its key."""
    rows = opened.rows.with_row_index(KEY) if key is None else opened.rows.with_columns(pl.col(key).alias(KEY))
    schema = opened.rows.collect_schema()
    beside = [SHORT] if SHORT in schema else []
    return rows.select(KEY, *cast_columns(contract_casts(schema, inputs)), *beside)


def _stream(rows: pl.LazyFrame, contract: ContractSpec, answerer: Answerer, target: Path) -> None:
    """Write the answers to the rows, a part after the other: the next is read while one is answered."""
    schema = answerer.answer(rows.collect_schema().to_frame()).schema
    size = min(PART_ROWS, rows_at_once(contract))
    parts = rows.collect_batches(chunk_size=size, maintain_order=True)
    # What is asked for of a source are all of its columns and rows here: nothing is selected from the answers.
    answers = register_io_source(lambda *_: map(answerer.answer, parts), schema=schema)
    SINKS[target.suffix](answers, target)


def _check_all_came(opened: Opened, seen: int) -> None:
    """Compare with what the file says of itself: where a thread of Polars panics, its rows just end."""
    told = opened.rows.select(pl.len()).collect().item()
    if seen != told:
        raise SourceError(
            f"{opened.source.path} cannot be read: {seen:,} of its {told:,} rows came out, then the reader failed. "
            "The file is damaged: write it anew"
        )


def _state(source: Path) -> tuple[int, ...]:
    """Return what is another when a file is replaced or written to."""
    if not source.exists():
        return ()
    status = source.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Say of what readers raise that the file cannot be read, or was changed; OSError if it is writing that failed."""
    before = _state(source)
    changed = SourceError(f"{source} was changed while it was read: score it again")
    try:
        yield
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    ) as error:
        said = " ".join(str(error).split())
        # Polars tells the number in its text alone.
        number = re.search(r"\(os error (\d+)\)", said)
        code = int(number[1]) if number else getattr(error, "errno", None)
        if code in _UNWRITABLE:
            raise OSError(code, os.strerror(code)) from error
        if _state(source) != before:
            raise changed from error
        raise SourceError(f"{source} cannot be read: {said[:300]}") from error
    if _state(source) != before:
        raise changed
