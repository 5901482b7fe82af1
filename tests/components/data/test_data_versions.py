"""Data versions are listed, compared and deleted; what a build is made of stays."""

import os
from datetime import date
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from components.artefacts.errors import DataError
from components.catalog import find_kind
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot
from components.data.sources.snapshots import take_snapshot
from components.data.versions import delete_versions, diff_versions, find_version, list_versions
from components.declaration.loading import parse_workload
from components.declaration.source import Source
from components.declaration.workload import Workload
from components.settings import Home
from data_contracts.contract import Contract, column
from tests.components.training.small_training import WORKLOAD


class Old(Contract):
    """A row."""

    number: int = column("number")
    text: str | None = column("text")
    late: bool = column("label", roles=("label",), available="after")


class New(Old):
    """A row with a column more."""

    more: float = column("more")


class Dated(Old):
    """A row with a day; a text is needed."""

    quarantine_tolerance: ClassVar[float] = 0.1

    day: date = column("day", roles=("time",))
    text: str = column("text")


FRAME = pl.DataFrame({"number": range(100), "text": ["a", "b"] * 50, "late": [True, False] * 50, "more": [0.5] * 100})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def workload() -> Workload:
    periods = {
        "train": {"start": "2026-01-01", "end": "2026-01-28"},
        "validation": {"start": "2026-02-01", "end": "2026-02-28"},
        "test": {"start": "2026-03-01", "end": "2026-04-28"},
    }
    features = [{"transform": "standardise", "fields": ["number"]}]
    split = {"by": "time", "min_class_rows": 2, **periods}
    return parse_workload({**WORKLOAD, "split": split, "features": features, "model": {}}, "trips.yaml")


def snapshot(frame: pl.DataFrame, home: Home, contract: type[Contract] = Old, age_days: int = 0) -> Snapshot:
    path = home.root.parent / "rows.parquet"
    frame.write_parquet(path)
    taken = take_snapshot(Source(path=str(path)), contract.spec(), home)
    record = taken.path.parent / "snapshot.json"
    past = record.stat().st_mtime - age_days * 86_400
    os.utime(record, (past, past))
    return taken


def test_versions_are_listed_latest_first_and_found_by_the_start_of_their_digest(home: Home) -> None:
    assert list_versions(home) == ()
    old = snapshot(FRAME, home, age_days=3)
    new = snapshot(FRAME.head(50), home)
    assert [version.digest for version in list_versions(home)] == [new.digest, old.digest]
    assert find_version(old.digest[:8], home) == old
    with pytest.raises(DataError, match="no data version starts with 'zzz'; known: "):
        find_version("zzz", home)
    with pytest.raises(DataError, match="no data version starts with ''"):
        find_version("", home)
    assert find_version(old.digest[:8], home, Old.spec()) == old
    with pytest.raises(DataError, match=r"was taken from .*rows.parquet for another contract: more differ from New"):
        find_version(old.digest[:8], home, New.spec())


def test_a_difference_counts_rows_and_names_columns(home: Home) -> None:
    before = snapshot(FRAME, home)
    changed = pl.concat([FRAME.tail(-10), FRAME.tail(5).with_columns(pl.col("number") + 1_000), FRAME.tail(1)])
    after = snapshot(changed, home, New)
    found = diff_versions(before, after)
    assert (found.rows_before, found.rows_after, found.added, found.removed) == (100, 96, 6, 10)
    assert (found.columns_added, found.columns_removed, found.columns_retyped) == (("more",), (), {})
    assert found.shifts[0].field == "number"
    same = diff_versions(before, before)
    assert (same.added, same.removed, {shift.distance for shift in same.shifts}) == (0, 0, {0.0})


def test_nothing_is_deleted_without_being_asked_for(home: Home) -> None:
    taken = snapshot(FRAME, home)
    with pytest.raises(DataError, match="nothing to delete was named"):
        delete_versions(home)
    plan = delete_versions(home, [taken.digest[:10]])
    assert plan.dry_run
    assert plan.freed > 0
    assert taken.path.exists()


def test_retention_keeps_the_latest_the_young_and_what_builds_are_made_of(home: Home) -> None:
    taken = [snapshot(FRAME.head(10 + age), home, age_days=age) for age in (0, 10, 20, 30)]
    build = home.room("builds", "trips-1")
    build.mkdir(parents=True)
    (build / "provenance.json").write_text(f'{{"data": "{taken[3].digest}"}}')
    deletion = delete_versions(home, keep_latest=1, older_than_days=15, dry_run=False)
    assert [version.digest for version in deletion.deleted] == [taken[2].digest]
    assert [version.used_by for version in deletion.kept_for_builds] == [("trips-1",)]
    assert [version.digest for version in list_versions(home)] == [taken[index].digest for index in (0, 1, 3)]
    assert not list(home.room("snapshots").glob(".*"))
    # Those of another source are counted apart.
    other = Source(path=str(home.root.parent / "other.parquet"))
    FRAME.write_parquet(str(other.path))
    take_snapshot(other, Old.spec(), home)
    assert not delete_versions(home, keep_latest=2).deleted


def test_what_was_made_of_a_version_goes_with_it(home: Home, workload: Workload) -> None:
    days = [date(2026, 1 + day // 28, 1 + day % 28) for day in range(100)]
    frame = FRAME.with_columns(day=pl.Series(days), text=pl.when(pl.int_range(100) < 99).then("text"))
    taken = [snapshot(part, home, Dated) for part in (frame, frame.tail(-1))]
    for one in taken:
        validated = validate_snapshot(one, Dated.spec(), home, where="trips")
        prepare(validated, workload.split, workload.features, Dated.spec(), home, find_kind("tabular").preparation)
    rooms = ("snapshots", "validated", "quarantine", "prepared")
    assert [len(list(home.room(room).iterdir())) for room in rooms] == [2, 2, 2, 2]
    planned = delete_versions(home, [taken[0].digest])
    assert planned.freed > taken[0].path.stat().st_size
    assert [len(list(home.room(room).iterdir())) for room in rooms] == [2, 2, 2, 2]
    delete_versions(home, [taken[0].digest], dry_run=False)
    assert [len(list(home.room(room).iterdir())) for room in rooms] == [1, 1, 1, 1]
    assert find_version(taken[1].digest, home) == taken[1]


def test_a_deletion_that_cannot_be_is_an_error(home: Home) -> None:
    taken = snapshot(FRAME, home)
    with pytest.raises(DataError, match="digests name what to delete, an age or a number chooses it: give either"):
        delete_versions(home, [taken.digest], older_than_days=1000)
    build = home.room("builds", "trips-1")
    build.mkdir(parents=True)
    (build / "provenance.json").write_text(f'{{"data": "{taken.digest}"}}')
    with pytest.raises(DataError, match=f"data version {taken.digest[:12]} stays: trips-1 was made from it"):
        delete_versions(home, [taken.digest], dry_run=False)
    another = home.room("builds", "trips-2")
    another.mkdir(parents=True)
    (another / "provenance.json").write_text(f'{{"data": "{taken.digest}"}}')
    with pytest.raises(DataError, match="trips-1 and trips-2 were made from it; delete these builds first"):
        delete_versions(home, [taken.digest], dry_run=False)
    assert taken.path.exists()


def test_a_version_of_a_home_that_was_moved_is_found_where_it_is_now(home: Home, tmp_path: Path) -> None:
    taken = snapshot(FRAME.drop("more"), home)
    moved = Home(tmp_path / "moved")
    home.root.rename(moved.root)
    found = find_version(taken.digest, moved)
    assert found.path.parent == moved.room("snapshots", taken.digest)
    assert found.path.is_file()
