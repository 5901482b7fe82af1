"""How a source is written is declared, not programmed: names, days, commas and words become the contract's."""

import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from pydantic import ValidationError

from components.artefacts.errors import SourceError
from components.data.sources.snapshots import take_snapshot
from components.declaration.source import Source
from components.settings import Home
from data_contracts.contract import Contract, column


class Sale(Contract):
    """A sale."""

    row_number: int = column("Of the row")
    day: datetime.date | None = column("When")
    at: datetime.datetime = column("When exactly")
    price: float | None = column("Price", source_name="Preis (€)")
    size: Literal["small", "large"] | None = column("Size")
    sold: bool = column("Sold", roles=("label",), available="after")


SAID: dict[str, Any] = {
    "rename": {"row": "row_number", "verkauft?": "sold"},
    "dates": {"day": "%d.%m.%Y", "at": "%m/%d/%Y %H:%M"},
    "decimal_comma": ["Preis (€)"],
    "values": {"sold": {"J": True, "N": False}, "size": {"S": "small", "L": "large", "?": None}},
}
ROWS = {
    "row": ["1", "2", "3"],
    "day": ["31.01.2024", "2024-02-01", ""],
    "at": ["01/31/2024 08:05", "02/01/2024 23:59", "2024-03-01T00:00:00"],
    "Preis (€)": ["1.234,5", "7", ""],
    "size": ["S", "?", "large"],
    "verkauft?": ["J", "N", "yes"],
}


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_what_is_declared_holds_for_every_kind_of_source(kind: str, tmp_path: Path, home: Home) -> None:
    file, frame = tmp_path / f"rows.{kind}", pl.DataFrame(ROWS)
    if kind == "csv":
        frame.write_csv(file)
    elif kind == "jsonl":
        frame.with_columns(pl.col(pl.String).replace("", None)).write_ndjson(file)
    else:
        frame.with_columns(pl.col(pl.String).replace("", None)).write_parquet(file)
    source = Source.model_validate({"path": str(file), **SAID})
    rows = pl.read_parquet(take_snapshot(source, Sale.spec(), home).path)
    assert rows["row_number"].to_list() == [1, 2, 3]
    assert rows["day"].to_list() == [datetime.date(2024, 1, 31), datetime.date(2024, 2, 1), None]
    assert rows["at"].to_list()[:2] == [datetime.datetime(2024, 1, 31, 8, 5), datetime.datetime(2024, 2, 1, 23, 59)]
    assert rows["Preis (€)"].to_list() == [1234.5, 7.0, None]
    assert rows["size"].to_list() == ["small", None, "large"]
    assert rows["sold"].to_list() == [True, False, True]


def test_what_keeps_no_form_stays_as_it_was_written(tmp_path: Path, home: Home) -> None:
    pl.DataFrame({**ROWS, "day": ["31.01.2024", "32.01.2024", "soon"]}).write_csv(tmp_path / "rows.csv")
    source = Source.model_validate({"path": str(tmp_path / "rows.csv"), **SAID})
    rows = pl.read_parquet(take_snapshot(source, Sale.spec(), home).path)
    assert rows["day:raw"].to_list() == [None, "32.01.2024", "soon"]


def test_a_name_that_is_there_already_and_a_column_that_is_not_are_told(tmp_path: Path, home: Home) -> None:
    pl.DataFrame({**ROWS, "sold": ["x", "y", "z"]}).write_parquet(tmp_path / "rows.parquet")
    source = Source.model_validate({"path": str(tmp_path / "rows.parquet"), **SAID})
    with pytest.raises(SourceError, match="there is a column 'sold' already"):
        take_snapshot(source, Sale.spec(), home)
    pl.DataFrame(ROWS).drop("day").write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(SourceError, match=r"source\.dates: there is no column 'day'"):
        take_snapshot(source, Sale.spec(), home)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"rename": {"a": "x", "b": "x"}}, "two columns would be called x"),
        ({"dates": {"day": "dd.mm.yyyy"}}, "write it as %d.%m.%Y"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Source.model_validate({"path": "x.csv", **said})
