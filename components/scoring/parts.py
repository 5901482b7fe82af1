"""Parts of a file to score: read with the contract's types, judged row by row, and explained where refused."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.artefacts.errors import SourceError
from components.data.quarantine import reasons_of
from components.data.record_batches import record_batch, text_indices
from components.data.sources.casting import cast_columns, contract_casts
from components.data.sources.csv_files import SHORT, separator_of
from components.data.sources.json_lines import has_large
from components.data.sources.source import open_source
from components.data.sources.source_files import FORMATS, Opened
from components.declaration.source import Source
from components.scoring.footer import Footer, is_encrypted, read_footer
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.frame_schema import frame_schema
from data_contracts.language.row_checks import keeps, row_checks

# Numbers of the encodings DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY.
DELTAS = frozenset({6, 7})
# Strings of a column that are remembered as good; a column with more of them is checked anew in each part.
MOST_TEXTS = 10_000


class Part(NamedTuple):
    """Some rows with the contract's types, and the text of those values that would not become one."""

    rows: pa.RecordBatch
    raw: list[pl.Series]


class Judged(NamedTuple):
    """Which rows of a part are valid, and why the others are not."""

    is_kept: pl.Series
    reasons: pl.Series


class Parts(NamedTuple):
    """The rows of a file in order, the same parts each time."""

    parts: Iterator[Part]
    # Of a Parquet file of the contract's types, whose rows need no cast.
    footer: Footer | None
    # Columns of the file that the contract does not name.
    others: tuple[str, ...]


def read_parts(source: Path, inputs: ContractSpec, scratch: Path, part_rows: int, like: Source | None = None) -> Parts:
    """Return a file's rows, about ``part_rows`` at a time; SourceError, now or then, if it cannot be read.

    A text file is written as the source ``like`` says: which texts mean a missing value, what separates values.
    """
    with _readable(source):
        opened = open_source(_alike(source, like, inputs), inputs, scratch)
        schema, wanted = opened.rows.collect_schema(), frame_schema(inputs)
        beside = [SHORT] if SHORT in schema else []
        rows = opened.rows.select(*cast_columns(contract_casts(schema, inputs)), *beside)
        is_parquet = FORMATS.get(source.suffix.lower()) == "parquet"
        is_alike = is_parquet and all(schema[name] == dtype for name, dtype in wanted.items())
        footer = _stored_footer(source, wanted) if is_alike else None
    parts = _cast_parts(rows, opened, inputs, part_rows) if footer is None else _stored_parts(source, inputs, part_rows)
    named = {*wanted, SHORT}
    others = tuple(name for name in schema.names() if name not in named)
    return Parts(_guarded(source, parts), footer, others)


def _alike(file: Path, like: Source | None, inputs: ContractSpec) -> Source:
    """Return a file as a source that is written as another one; its own header may show another separator."""
    if like is None:
        return Source(path=str(file))
    source = Source(
        path=str(file),
        separator=like.separator,
        null_values=like.null_values,
        max_unpacked_bytes=like.max_unpacked_bytes,
    )
    if FORMATS.get(file.suffix.lower()) != "csv":
        return source
    separator = separator_of(file, source, {field.name for field in inputs.fields})
    return source.model_copy(update={"separator": separator})


def _stored_footer(source: Path, wanted: pl.Schema) -> Footer | None:
    """Return the footer of a Parquet file whose columns pyarrow reads as Polars does, strings as categories."""
    footer = read_footer(source)
    if footer is None:
        return None
    columns = footer.columns()
    if any(is_encrypted(chunk) for name in wanted for chunk in footer.chunks(columns[name])):
        return None
    texts = [name for name, dtype in wanted.items() if dtype == pl.String]
    # 2: the encodings of a chunk; pyarrow makes no categories of some.
    if any(DELTAS & set(chunk.get(3).get(2).items) for name in texts for chunk in footer.chunks(columns[name])):
        return None
    empty = pq.read_schema(source).empty_table().select(list(wanted))
    return footer if pl.DataFrame(empty).schema == wanted else None


def _guarded(source: Path, parts: Iterator[Part]) -> Iterator[Part]:
    with _readable(source):
        yield from parts


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    try:
        yield
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    ) as error:
        raise SourceError(f"{source} cannot be read: {' '.join(str(error).split())[:300]}") from error


def _cast_parts(rows: pl.LazyFrame, opened: Opened, inputs: ContractSpec, part_rows: int) -> Iterator[Part]:
    names = [field.name for field in inputs.fields]
    # What a second look at the file has not found to be good: each of them is looked for once.
    doubts = [has_large(field.name).alias(field.name) for field in opened.uncertain(inputs)]
    settled: set[str] = set()
    seen = 0
    try:
        for part in rows.collect_batches(chunk_size=part_rows, maintain_order=True):
            if SHORT in part.columns and SHORT not in settled and part[SHORT].any():
                opened.refuse_short_rows()
                settled.add(SHORT)
            found = part.select(doubts).row(0, named=True) if doubts and part.height else {}
            if large := [name for name, is_found in found.items() if is_found and name not in settled]:
                opened.refuse_inexact(large)
                settled.update(large)
            seen += part.height
            yield Part(record_batch(part.select(names)), part.drop(*names, SHORT, strict=False).get_columns())
        if opened.format in ("parquet", "ipc"):
            _check_all_came(seen, rows.select(pl.len()).collect().item(), opened)
    except pl.exceptions.PolarsError as error:
        if fault := opened.fault():
            raise SourceError(fault) from error
        raise


def _check_all_came(seen: int, told: int, opened: Opened) -> None:
    """Compare with what the file says of itself: where a thread of Polars panics, its rows just end."""
    if seen != told:
        raise SourceError(
            f"{opened.source.path} cannot be read: {seen:,} of its {told:,} rows came out, then the reader failed. "
            "The file is damaged: write it anew"
        )


def _stored_parts(source: Path, inputs: ContractSpec, part_rows: int) -> Iterator[Part]:
    """Yield the rows of a Parquet file that has the contract's types already.

    Its dictionaries of strings are taken as they are, and row groups are put together only if they are small. By way
    of Polars every row gets a string of its own, and rows are copied into parts of one size.
    """
    names = [field.name for field in inputs.fields]
    texts = [field.name for field in inputs.fields if field.dtype == "string"]
    waiting: list[pa.RecordBatch] = []
    with pq.ParquetFile(source, read_dictionary=texts, pre_buffer=True) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(part_rows, row_groups=[group], columns=names, use_threads=False):
                waiting.append(batch.select(names))
                for name in texts:
                    # Places beyond the dictionary, bytes that are no text: an error here, and not in what follows.
                    waiting[-1].column(name).validate(full=True)
                if sum(some.num_rows for some in waiting) >= part_rows // 2:
                    yield Part(_together(waiting), [])
                    waiting = []
    if waiting:
        yield Part(_together(waiting), [])


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


class Judge:
    """Checks parts against a contract; each different string is checked once."""

    def __init__(self, inputs: ContractSpec) -> None:
        self._inputs = inputs
        self._texts = [field for field in inputs.fields if field.dtype == "string"]
        numbers = tuple(field for field in inputs.fields if field.dtype != "string")
        self._numbers = msgspec.structs.replace(inputs, fields=numbers)
        # What has been found good in earlier parts: nearly all parts hold the same.
        self._good: list[_Range] | None = None
        self._good_texts: dict[str, set[str | None]] = {field.name: set() for field in self._texts}

    def judge(self, part: Part) -> Judged:
        """Explain what is refused; the reasons of the few cost as much as judging all."""
        names = [field.name for field in self._numbers.fields]
        numbers = pl.DataFrame([*_columns(part.rows.select(names)), *part.raw])
        is_kept = pl.Series([True]).new_from_index(0, part.rows.num_rows)
        if part.raw or not self._are_all_good(numbers):
            is_kept = numbers.select(kept=keeps(self._numbers, numbers.columns)).to_series()
        for field in self._texts:
            good = self._kept_texts(part.rows.column(field.name), field)
            is_kept = is_kept if good is None else is_kept & good
        if is_kept.all():
            nothing = pl.Series("reasons", [None], dtype=pl.List(pl.String))
            return Judged(is_kept, nothing.new_from_index(0, len(is_kept)))
        refused = part.rows.filter((~is_kept).to_arrow())
        rows = pl.DataFrame([*_columns(refused), *(raw.filter(~is_kept) for raw in part.raw)])
        explained = rows.select(reasons_of(row_checks(self._inputs, rows.columns)))["reasons"]
        assert explained.list.len().min() != 0, "a row was refused without a reason"
        return Judged(is_kept, spread(explained.to_frame(), ~is_kept).to_series())

    def _are_all_good(self, numbers: pl.DataFrame) -> bool:
        """Return whether a few values prove every number and moment good; where they do not, any may still be.

        The rules are ranges: they hold for all if they hold for the smallest, the largest, and for null and NaN where
        there is one. What lies within the ranges of earlier parts needs not even that.
        """
        if any(field.allowed for field in self._numbers.fields):
            return False
        ranges = [_Range.of(column) for column in numbers]
        if self._good is None or not all(map(_Range.is_within, ranges, self._good)):
            few = [found.ends(column) for found, column in zip(ranges, numbers, strict=True)]
            if few and not pl.DataFrame(few).select(kept=keeps(self._numbers)).to_series().all():
                return False
            self._good = ranges if self._good is None else list(map(_Range.joined, ranges, self._good))
        return True

    def _kept_texts(self, texts: pa.DictionaryArray, field: FieldSpec) -> pl.Series | None:
        """Return which rows hold a good string, None if all do."""
        distinct = set(texts.dictionary.to_pylist())
        known = self._good_texts[field.name]
        is_filled = field.nullable or not texts.null_count
        if is_filled and distinct <= known:
            return None
        rules = keeps(msgspec.structs.replace(self._inputs, fields=(field,)))
        frame = pl.DataFrame({field.name: pl.Series(texts.dictionary, dtype=pl.String)})
        good = frame.select(kept=rules).to_series()
        if is_filled and good.all():
            if len(known) < MOST_TEXTS:
                self._good_texts[field.name] = known | distinct
            return None
        return good.append(pl.Series([field.nullable])).gather(pl.Series(text_indices(texts)))


class _Range(NamedTuple):
    """Where the values of a column lie, as they are stored (None: it has none), and what else is among them."""

    low: Any
    high: Any
    null: bool
    nan: bool

    @classmethod
    def of(cls, column: pl.Series) -> "_Range":
        """Return the range of a column."""
        # By way of an expression, which takes its time: only where it changes something.
        stored = column.to_physical() if column.dtype.is_temporal() else column
        # The smallest and the largest leave NaN out, a sum does not.
        nan = stored.dtype.is_float() and math.isnan(stored.sum())
        return cls(stored.min(), stored.max(), column.null_count() > 0, nan)

    def is_within(self, other: "_Range") -> bool:
        """Return whether a rule that holds for the other range holds for this one too."""
        inside = self.low is None or (other.low is not None and other.low <= self.low and self.high <= other.high)
        return inside and self.null <= other.null and self.nan <= other.nan

    def joined(self, other: "_Range") -> "_Range":
        """Return the range of both columns."""
        lows, highs = ([end for end in ends if end is not None] for ends in zip(self[:2], other[:2], strict=True))
        return _Range(min(lows, default=None), max(highs, default=None), self.null or other.null, self.nan or other.nan)

    def ends(self, column: pl.Series) -> pl.Series:
        """Return the four values that a rule on the column is decided by."""
        few = [self.low, self.high, None if self.null else self.low, math.nan if self.nan else self.low]
        return pl.Series(column.name, few, dtype=column.to_physical().dtype).cast(column.dtype)


def spread(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """Return rows where ``places`` is true, in order, and nulls elsewhere."""
    index = pl.select(pl.when(places).then(places.cum_sum() - 1).cast(pl.UInt32)).to_series()
    return rows.select(pl.all().gather(index))


def _columns(rows: pa.RecordBatch) -> list[pl.Series]:
    """Return the columns of a record batch; categories of Polars would outlive them, so strings are strings again."""
    columns = zip(rows.schema.names, rows.columns, strict=True)
    plain = ((name, one.cast(pa.large_string()) if pa.types.is_dictionary(one.type) else one) for name, one in columns)
    return [pl.Series(name, column) for name, column in plain]
