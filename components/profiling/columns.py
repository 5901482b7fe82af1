"""Every column of a table: its type, and what is exactly true of its values; one pass over all rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from components.profiling.texts import READERS, Understood, understand
from data_contracts.language.types.registry import column_type

# Of a larger table every so manyth row is looked at, and what must be exact is asked of all.
SAMPLE_CELLS = 20_000_000
SAMPLE_ROWS = 200_000
# Different values up to which they are listed.
LISTED = 60


@dataclass(frozen=True)
class Column:
    """A column as it is: ``dtype`` in the contract's words, None for one that no contract of a table can hold."""

    name: str
    dtype: str | None
    how: Understood
    rows: int
    missing: int = 0
    # Values that are not of the type.
    bad: int = 0
    distinct: int = 0
    low: Any = None
    high: Any = None
    longest: int = 0
    # Values and how often each is there, most frequent first, where they are few.
    values: tuple[tuple[Any, int], ...] = ()
    # An ordinary value, for an example.
    example: Any = None
    notes: tuple[str, ...] = ()

    @property
    def share_missing(self) -> float:
        return (self.missing + self.bad) / self.rows if self.rows else 0.0

    @property
    def is_text(self) -> bool:
        return self.dtype == "string"


@dataclass(frozen=True)
class Table:
    """Columns, and a sample of rows with their types; ``rows`` counts all."""

    columns: tuple[Column, ...]
    sample: pl.DataFrame
    rows: int

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def read_columns(rows: pl.LazyFrame) -> Table:
    """Return what the columns of a table hold."""
    schema = rows.collect_schema()
    count = int(rows.select(pl.len()).collect(engine="streaming").item())
    most = max(1_000, min(SAMPLE_ROWS, SAMPLE_CELLS // max(1, len(schema))))
    step = -(-count // most)
    raw = (rows if step <= 1 else rows.gather_every(step)).collect(engine="streaming")
    how = {name: _understood(raw.get_column(name)) for name in schema.names()}
    types = {name: _dtype(how[name], dtype, raw.get_column(name)) for name, dtype in schema.items()}
    made = {name: _typed(name, schema[name], types[name], how[name]) for name in schema.names() if types[name]}
    sample = raw.select(value.alias(name) for name, value in made.items())
    exact = _exact(rows, schema, made, types) if count else {}
    columns = tuple(_column(name, types[name], how[name], count, exact, sample) for name in schema.names())
    return Table(columns, sample, count)


def _understood(values: pl.Series) -> Understood:
    return understand(values) if values.dtype == pl.String else Understood("string")


def _dtype(how: Understood, dtype: pl.DataType, values: pl.Series) -> str | None:
    if dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum)):
        return how.kind
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        known = values.drop_nulls().cast(pl.Float64)
        known = known.filter(known.is_finite())
        whole = bool(((known == known.round()) & (known.abs() < 2**53)).all())
        return "integer" if whole and len(known) else "number"
    if dtype == pl.Date:
        return "date"
    return "datetime" if isinstance(dtype, pl.Datetime) else None


def _typed(name: str, source: pl.DataType, dtype: str | None, how: Understood) -> pl.Expr:
    """Return a column as its type, null for what is none of it."""
    column, kind = pl.col(name), column_type(dtype or "string")
    if isinstance(source, (pl.Categorical, pl.Enum)):
        column, source = column.cast(pl.String), pl.String()
    if source == pl.String:
        column = column.str.strip_chars() if dtype != "string" else column
        gaps = ["", *how.gaps]
        column = pl.when(~column.is_in(gaps)).then(column)
        if how.form is not None:
            return column.map_batches(
                lambda texts: READERS[how.kind](texts, str(how.form)), return_dtype=kind.polars, is_elementwise=True
            )
        if how.decimal_comma:
            column = column.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        return column if dtype == "string" else _or_null(kind.of_text(column))
    if source == kind.polars:
        return column.fill_nan(None) if dtype == "number" else column
    return _or_null(kind.of_typed(column.fill_nan(None) if source.is_float() else column, source))


def _or_null(value: pl.Expr | None) -> pl.Expr:
    return pl.lit(None) if value is None else value


def _exact(
    rows: pl.LazyFrame, schema: Mapping[str, pl.DataType], made: Mapping[str, pl.Expr], types: Mapping[str, str | None]
) -> dict[str, dict[str, Any]]:
    """Return facts of each column over all rows, a few hundred columns at a time."""
    found: dict[str, dict[str, Any]] = {}
    names = list(schema)
    for start in range(0, len(names), 200):
        part = names[start : start + 200]
        facts = {
            f"{place}:{word}": fact
            for place, name in enumerate(part)
            for word, fact in _facts(name, schema[name], made.get(name), types[name]).items()
        }
        row = rows.select(fact.alias(key) for key, fact in facts.items()).collect(engine="streaming").row(0, named=True)
        for place, name in enumerate(part):
            found[name] = {key.partition(":")[2]: value for key, value in row.items() if key.startswith(f"{place}:")}
    return found


def _facts(name: str, source: pl.DataType, value: pl.Expr | None, dtype: str | None) -> dict[str, pl.Expr]:
    raw = pl.col(name)
    present = raw.is_not_null()
    if source == pl.String:
        present = present & (raw.str.strip_chars() != "")
    if source.is_float():
        present = present & raw.is_not_nan()
    if value is None:
        return {"present": present.sum(), "good": present.sum()}
    facts = {"present": present.sum(), "good": value.count(), "distinct": value.n_unique() - value.has_nulls()}
    if dtype == "string":
        return facts | {"longest": value.str.len_chars().max()}
    return facts | ({"low": value.min(), "high": value.max()} if dtype != "boolean" else {})


def _column(
    name: str,
    dtype: str | None,
    how: Understood,
    count: int,
    exact: Mapping[str, Mapping[str, Any]],
    sample: pl.DataFrame,
) -> Column:
    if not count or dtype is None:
        present = exact[name]["present"] if count else 0
        return Column(name, dtype if count else "string", how, count, missing=count - present)
    facts, values = exact[name], sample.get_column(name)
    # What stands for a gap is present in the file, and missing all the same.
    gaps = 0
    bad = facts["present"] - facts["good"]
    if how.gaps:
        gaps, bad = bad, 0
    counted: Sequence[tuple[Any, int]] = ()
    if facts["distinct"] <= LISTED:
        kinds = values.drop_nulls().value_counts().sort(["count", name], descending=[True, False])
        counted = list(kinds.iter_rows())
    return Column(
        name=name,
        dtype=dtype,
        how=how,
        rows=count,
        missing=count - facts["present"] + gaps,
        bad=bad,
        distinct=facts["distinct"],
        low=facts.get("low"),
        high=facts.get("high"),
        longest=facts.get("longest") or 0,
        values=tuple(counted),
        example=_example(values),
        notes=how.notes,
    )


def _example(values: pl.Series) -> Any:
    """Return an ordinary value: the middle one of numbers, the most frequent of texts."""
    known = values.drop_nulls()
    if known.is_empty():
        return None
    if known.dtype in (pl.String, pl.Boolean):
        return known.mode().sort()[0] if known.n_unique() < len(known) else known[0]
    return known.sort()[len(known) // 2]
