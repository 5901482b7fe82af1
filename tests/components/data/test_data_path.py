"""From a source to features, on small frames."""

from pathlib import Path

import polars as pl
import pytest

from components.artefacts.errors import ContractError, SourceError, SplitError
from components.catalog import find_kind
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.declaration.loading import parse_workload
from components.declaration.source import Source
from components.declaration.workload import Workload
from components.settings import Home
from data_contracts.contract import Contract, column


class Sale(Contract):
    """One sale."""

    when: str = column("Day", example="2020-01-01")
    price: float = column("Price", gt=0)
    count: int | None = column("Pieces", ge=0)
    bought: bool = column("Bought", roles=("label",), available="after")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def write_csv(folder: Path, text: str) -> Source:
    path = folder / "sales.csv"
    path.write_text(text)
    return Source(path=path)


def test_a_csv_ends_as_kept_and_quarantined_rows_with_positions_and_raw_text(home: Home, tmp_path: Path) -> None:
    source = write_csv(tmp_path, "count,when,price,bought\n1,a,2.5,true\n,b,1,false\nx,c,-1,true\n2,d,3,\n")
    snapshot = take_snapshot(source, Sale.spec(), home)
    tolerant = Sale.spec().__class__(name="Sale", description="", fields=Sale.spec().fields, quarantine_tolerance=0.6)
    result = validate_snapshot(snapshot, tolerant, home, "sales")
    assert (result.rows, result.quarantined) == (2, 2)
    assert result.reasons == {"bought: missing": 1, "count: not an integer": 1, "price: not above 0": 1}
    refused = pl.read_parquet(result.quarantine)
    assert refused["position"].to_list() == [2, 3]
    assert refused["count:raw"].to_list() == ["x", None]


def test_too_many_refused_rows_keep_their_quarantine_file(home: Home, tmp_path: Path) -> None:
    source = write_csv(tmp_path, "count,when,price,bought\n1,a,2.5,true\n1,a,-2.5,true\n")
    snapshot = take_snapshot(source, Sale.spec(), home)
    with pytest.raises(ContractError, match=r"1 of 2 rows \(50.00%\) break Sale.*price: not above 0 \(1\)"):
        validate_snapshot(snapshot, Sale.spec(), home, "sales")
    assert len(list(home.room("quarantine").glob("*/rows.parquet"))) == 1


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("count,when,prise,bought\n1,a,2,true\n", ContractError, "'price' \\(did 'prise' mean this"),
        ("count,when,price,bought\n1,a,x,true\n", ContractError, "not one of 1 values in column 'price'"),
        ("count,when,price,bought\n", SourceError, "has no rows"),
    ],
)
def test_a_source_that_cannot_be_used_says_why_and_leaves_nothing(
    home: Home, tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        take_snapshot(write_csv(tmp_path, text), Sale.spec(), home)
    assert list(home.room("snapshots").iterdir()) == []


def test_the_digest_is_of_the_rows_and_not_of_the_file(home: Home, tmp_path: Path) -> None:
    source = write_csv(tmp_path, "count,when,price,bought\n1,a,2.5,true\n,b,1,false\n")
    parquet = tmp_path / "sales.parquet"
    frame = pl.DataFrame({"bought": [False, True], "count": [None, 1], "price": [1.0, 2.5], "when": ["b", "a"]})
    frame.write_parquet(parquet)
    first = take_snapshot(source, Sale.spec(), home)
    second = take_snapshot(Source(path=parquet), Sale.spec(), home)
    assert first.digest == second.digest
    frame.with_columns(pl.col("price").reverse()).write_parquet(parquet)
    assert take_snapshot(Source(path=parquet), Sale.spec(), home).digest != first.digest


def workload(document: dict[str, object]) -> Workload:
    goal = {
        "statement": "AUC 0.5, 50 ms, 1 USD, 2 USD per 1,000 answers",
        "metric": "auc",
        "direction": "at_least",
        "threshold": 0.5,
        "latency_p95_ms": 50,
        "training_usd": 1,
        "serving_usd_per_1000": 2,
    }
    return parse_workload({"goal": goal, "name": "sales", "kind": "tabular"} | document, "sales.yaml")


def test_a_split_without_rows_is_refused(home: Home, tmp_path: Path) -> None:
    class Timed(Contract):
        """A timed row."""

        when: str = column("unused")
        day: int = column("number")
        late: bool = column("label", roles=("label",), available="after")

    source = write_csv(tmp_path, "when,day,late\na,1,true\nb,2,false\n")
    snapshot = take_snapshot(source, Timed.spec(), home)
    validated = validate_snapshot(snapshot, Timed.spec(), home, "timed")
    period = {"start": "2020-01-01", "end": "2020-01-02"}
    plan = workload(
        {
            "contract": "x:Timed",
            "source": {"path": "sales.csv"},
            "split": {
                "by": "time",
                "train": period,
                "validation": {"start": "2020-01-03", "end": "2020-01-03"},
                "test": {"start": "2020-01-04", "end": "2020-01-05"},
            },
            "features": [{"transform": "standardise", "fields": ["day"]}],
        }
    )
    with pytest.raises(SplitError, match="Timed has no field with the role 'time'"):
        prepare(validated, plan.split, plan.features, Timed.spec(), home, find_kind("tabular").preparation)
