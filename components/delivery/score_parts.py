"""Parts of a file to score: read with the contract's types, judged row by row, and explained where refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from components.data.casting import cast_columns, contract_casts
from components.data.quarantine import reasons_of
from components.data.record_batches import record_batch, text_indices
from components.data.source_files import FORMATS
from components.data.sources import open_source
from components.declaration import Source
from components.errors import SourceError
from data_contracts.frame_schema import frame_schema
from data_contracts.row_checks import keeps, row_checks
from data_contracts.spec import ContractSpec, FieldSpec


class Part(NamedTuple):
    """Some rows with the contract's types, and the text of those values that would not become one."""

    rows: pa.RecordBatch
    raw: list[pl.Series]


class Judged(NamedTuple):
    """Which rows of a part are valid, and why the others are not."""

    is_kept: pl.Series
    reasons: pl.Series


def read_parts(source: Path, inputs: ContractSpec, scratch: Path, part_rows: int) -> Iterator[Part]:
    """Yield a file's rows in order, about ``part_rows`` at a time, the same parts each time.

    Raises SourceError if it cannot be read.
    """
    try:
        frame = open_source(Source(path=source), inputs, scratch)
        schema, wanted = frame.collect_schema(), frame_schema(inputs)
        rows = frame.select(cast_columns(contract_casts(schema, inputs)))
        is_parquet = FORMATS.get(source.suffix.lower()) == "parquet"
        if is_parquet and all(schema[name] == dtype for name, dtype in wanted.items()):
            yield from _stored_parts(source, inputs, part_rows)
        else:
            for part in rows.collect_batches(chunk_size=part_rows, maintain_order=True):
                yield Part(record_batch(part.select(wanted.names())), part.drop(wanted.names()).get_columns())
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise SourceError(f"{source} cannot be read: {' '.join(str(error).split())[:300]}") from error


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

    def judge(self, part: Part) -> Judged:
        """Explain what is refused; the reasons of the few cost as much as judging all."""
        names = [field.name for field in self._numbers.fields]
        numbers = pl.DataFrame([*_columns(part.rows.select(names)), *part.raw])
        is_kept = numbers.select(kept=keeps(self._numbers, numbers.columns)).to_series()
        if not names:
            is_kept = is_kept.new_from_index(0, part.rows.num_rows)
        for field in self._texts:
            good = _kept_texts(part.rows.column(field.name), self._inputs, field)
            is_kept = is_kept if good is None else is_kept & good
        if is_kept.all():
            nothing = pl.Series("reasons", [None], dtype=pl.List(pl.String))
            return Judged(is_kept, nothing.new_from_index(0, len(is_kept)))
        refused = part.rows.filter((~is_kept).to_arrow())
        rows = pl.DataFrame([*_columns(refused), *(raw.filter(~is_kept) for raw in part.raw)])
        explained = rows.select(reasons_of(row_checks(self._inputs, rows.columns)))["reasons"]
        assert explained.list.len().min() != 0, "a row was refused without a reason"
        return Judged(is_kept, spread(explained.to_frame(), ~is_kept).to_series())


def spread(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """Return rows where ``places`` is true, in order, and nulls elsewhere."""
    index = pl.select(pl.when(places).then(places.cum_sum() - 1).cast(pl.UInt32)).to_series()
    return rows.select(pl.all().gather(index))


def _columns(rows: pa.RecordBatch) -> list[pl.Series]:
    """Return the columns of a record batch; categories of Polars would outlive them, so strings are strings again."""
    columns = zip(rows.schema.names, rows.columns, strict=True)
    plain = ((name, one.cast(pa.large_string()) if pa.types.is_dictionary(one.type) else one) for name, one in columns)
    return [pl.Series(name, column) for name, column in plain]


def _kept_texts(texts: pa.DictionaryArray, inputs: ContractSpec, field: FieldSpec) -> pl.Series | None:
    """Return which rows hold a good string, None if all do."""
    distinct = pl.DataFrame({field.name: pl.Series(texts.dictionary, dtype=pl.String)})
    good = distinct.select(kept=keeps(msgspec.structs.replace(inputs, fields=(field,)))).to_series()
    if good.all() and (field.nullable or not texts.null_count):
        return None
    return good.append(pl.Series([field.nullable])).gather(pl.Series(text_indices(texts)))
