"""What a file tells of its columns proves fields good, and never one that is not."""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from components.data.parquet import sink
from components.data.proven_fields import unproven
from components.data.quarantine import divide
from components.data.results import Snapshot
from components.data.sources.snapshots import have_nan
from components.settings import Home
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec
from data_contracts.language.frame_schema import frame_schema
from data_contracts.language.row_checks import row_checks
from tests.data_contracts.generated_contracts import as_frame, contracts_with_rows


def snapshot_of(frame: pl.DataFrame, contract: ContractSpec, folder: Path, group: int = 300) -> Snapshot:
    """Write rows as a snapshot holds them, in row groups of ``group`` rows."""
    path = folder / "rows.parquet"
    frame.write_parquet(path, compression="snappy", statistics=True, row_group_size=group)
    found = frame.select(pl.lit(0).alias("any"), *have_nan(contract)).row(0, named=True)
    without = tuple(field.name for field in contract.fields if found.get(f"nan {field.name}") is False)
    return Snapshot(digest="x", path=path, rows=len(frame), columns={}, source="generated", without_nan=without)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts_with_rows())
def test_rows_are_divided_as_if_every_value_had_been_read(
    given_: tuple[type[Contract], list[dict[str, Any]]],
) -> None:
    contract, rows = given_[0].spec(), given_[1]
    # Often enough that text is stored as places in a dictionary, and in groups that have different rows.
    frame = as_frame([row for row in rows for _ in range(150)], contract)
    checks = row_checks(contract)
    broken = frame.select(check.broken.alias(check.reason) for check in checks)
    expected = [[reason for reason, found in row.items() if found] for row in broken.iter_rows(named=True)]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        snapshot = snapshot_of(frame, contract, folder)
        division = divide(snapshot, contract, folder / "kept.parquet", folder / "refused.parquet", Home(folder))
        kept = pl.read_parquet(folder / "kept.parquet").to_series()
        refused = pl.read_parquet(folder / "refused.parquet")
    assert kept.to_list() == [not reasons for reasons in expected]
    assert refused["reasons"].to_list() == [reasons for reasons in expected if reasons]
    assert refused["position"].to_list() == [place for place, reasons in enumerate(expected) if reasons]
    assert refused.drop("position", "reasons").equals(frame.filter(~kept))
    assert division.reasons == {reason: n for reason, n in broken.sum().row(0, named=True).items() if n}


class Trip(Contract):
    """A trip."""

    when: datetime = column("when", roles=("time",))
    seats: int | None = column("seats", ge=0, le=100)
    price: float = column("price", gt=0)
    line: Literal["A", "B"] = column("line")
    town: str = column("town", min_length=2)
    late: bool = column("label", roles=("label",), available="after")


GOOD: dict[str, list[Any]] = {
    "when": [datetime(2020, 1, 1), datetime(2020, 1, 2)] * 300,
    "seats": [None, 100] * 300,
    "price": [0.5, 2.0] * 300,
    "line": ["A", "B"] * 300,
    "town": ["Ulm", "Bonn"] * 300,
    "late": [True, False] * 300,
}


def doubtful(frame: pl.DataFrame, folder: Path) -> list[str]:
    contract = Trip.spec()
    return [field.name for field in unproven(snapshot_of(frame, contract, folder), contract).fields]


def test_good_rows_need_no_reading(tmp_path: Path) -> None:
    assert doubtful(pl.DataFrame(GOOD, schema=frame_schema(Trip.spec())), tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seats", 101),
        ("seats", -1),
        ("price", 0.0),
        ("price", float("nan")),
        ("price", float("inf")),
        ("price", None),
        ("line", "C"),
        ("line", None),
        ("town", "U"),
        ("when", None),
        ("late", None),
    ],
)
def test_a_single_bad_value_leaves_its_field_in_doubt(name: str, value: object, tmp_path: Path) -> None:
    rows = GOOD | {name: [*GOOD[name][:450], value, *GOOD[name][451:]]}
    assert doubtful(pl.DataFrame(rows, schema=frame_schema(Trip.spec())), tmp_path) == [name]


def test_a_year_that_has_no_date_leaves_its_field_in_doubt(tmp_path: Path) -> None:
    far = pl.lit(400_000_000_000_000_000).cast(pl.Datetime("us"))
    frame = pl.DataFrame(GOOD, schema=frame_schema(Trip.spec())).with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(far).otherwise("when").alias("when")
    )
    assert doubtful(frame, tmp_path) == ["when"]


def test_text_that_was_of_no_type_leaves_its_field_in_doubt(tmp_path: Path) -> None:
    frame = pl.DataFrame(GOOD, schema=frame_schema(Trip.spec()))
    raw = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("many"))
    assert doubtful(frame.with_columns(raw.alias("seats:raw")), tmp_path) == ["seats"]
    assert doubtful(frame.with_columns(pl.lit(None, dtype=pl.String).alias("seats:raw")), tmp_path) == []


def test_a_file_that_tells_nothing_and_text_that_hardly_repeats_are_read(tmp_path: Path) -> None:
    contract = Trip.spec()
    frame = pl.DataFrame(GOOD, schema=frame_schema(contract))
    different = frame.with_columns(("town " + pl.int_range(pl.len()).cast(pl.String)).alias("town"))
    assert doubtful(different, tmp_path) == ["town"]
    snapshot = snapshot_of(frame, contract, tmp_path)
    sink(frame.lazy(), snapshot.path).collect(engine="streaming")
    assert unproven(snapshot, contract) == contract
