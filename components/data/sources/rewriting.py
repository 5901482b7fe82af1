"""What a workload file says about how a source is written: names of columns, forms of days, commas, words for words.

Text becomes other text, which the contract then reads as any other: a value that keeps no form is refused as it stands.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import polars as pl

from components.artefacts.errors import SourceError
from components.data.sources.casting import as_text
from components.declaration.source import Source
from data_contracts.description.spec import ContractSpec

Told = TypeVar("Told")


def as_in_source(contract: ContractSpec, source: Source) -> ContractSpec:
    """Return a contract whose fields are called as the source calls them."""
    before = {fresh: old for old, fresh in source.rename.items()}
    if not before:
        return contract
    fields = tuple(msgspec.structs.replace(one, name=before.get(one.name, one.name)) for one in contract.fields)
    return msgspec.structs.replace(contract, fields=fields)


def rewritten(rows: pl.LazyFrame, source: Source, contract: ContractSpec) -> pl.LazyFrame:
    """Return rows with the contract's names, in which days, numbers and words are written as the contract reads them.

    Raises SourceError for a column that is not there.
    """
    if not (source.rename or source.dates or source.decimal_comma or source.values):
        return rows
    rows = _renamed(rows, source)
    schema = rows.collect_schema()
    known = {field.name for field in contract.fields}
    columns: dict[str, pl.Expr] = {}
    for key, named in (("dates", source.dates), ("decimal_comma", source.decimal_comma), ("values", source.values)):
        for name in named:
            if name not in schema and name in known:
                raise SourceError(f"source.{key}: there is no column '{name}'; columns: {', '.join(schema.names())}")
    for name, told in _here(source.values, schema):
        text = columns.get(name, as_text(pl.col(name), schema[name]))
        columns[name] = text.replace(list(told), list(told.values()))
    for name in (one for one in source.decimal_comma if schema.get(one) == pl.String):
        number = columns.get(name, pl.col(name)).str.strip_chars()
        written = number.str.contains(r"^[+-]?[0-9.]*(?:,[0-9]+)?$")
        plain = number.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        columns[name] = pl.when(written).then(plain).otherwise(number)
    for name, form in _here(source.dates, schema):
        if schema[name] == pl.String:
            columns[name] = _iso(columns.get(name, pl.col(name)), form)
    return rows.with_columns(value.alias(name) for name, value in columns.items())


def _here(told: Mapping[str, Told], schema: pl.Schema) -> list[tuple[str, Told]]:
    return [(name, value) for name, value in told.items() if name in schema]


def _renamed(rows: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    names = rows.collect_schema().names()
    present = {old: fresh for old, fresh in source.rename.items() if old in names}
    if clash := [fresh for fresh in present.values() if fresh in names and fresh not in present]:
        raise SourceError(f"source.rename: there is a column '{clash[0]}' already: give another name")
    return rows.select(pl.nth(place).alias(present.get(name, name)) for place, name in enumerate(names))


def _iso(text: pl.Expr, form: str) -> pl.Expr:
    """Return days or moments of a form as ISO writes them, and what is none of it as it stands."""
    plain = text.str.strip_chars()
    has_clock = any(sign in form for sign in ("%H", "%I", "%M", "%S", "%T", "%R"))
    if has_clock:
        read = plain.str.to_datetime(form, time_unit="us", strict=False).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    else:
        read = plain.str.to_date(form, strict=False).dt.strftime("%Y-%m-%d")
    return pl.coalesce(read, text)
