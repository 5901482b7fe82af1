"""Bytes, long text and vectors come through snapshot, digest, quarantine and splits as they are."""

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from components.artefacts.errors import ContractError
from components.data.kept_rows import KeptRows
from components.data.parquet import BLOCK, rows_at_once
from components.data.quarantine import validate_snapshot
from components.data.results import Snapshot
from components.data.sources.snapshots import take_snapshot
from components.data.splits.division import split_rows
from components.declaration.source import Source
from components.declaration.split import RandomSplit
from components.settings import Home
from data_contracts.contract import Contract, column


class Visit(Contract):
    """A row with a value of each type that is no plain number or word."""

    quarantine_tolerance = 0.5

    key: int = column("number of the visit")
    photo: bytes | None = column("picture", media_type="application/octet-stream", max_bytes=1_000_000)
    letter: str | None = column("what was written", media_type="text/plain", max_length=2_000_000)
    pulse: list[float] | None = column("beats", max_length=4)
    place: list[float] = column("coordinates", min_length=2, max_length=2)
    ill: bool = column("label", roles=("label",), available="after")


CONTRACT = Visit.spec()
LARGE = np.random.default_rng(0).bytes(1_000_000)
SCHEMA = {
    "key": pl.Int64,
    "photo": pl.Binary,
    "letter": pl.String,
    "pulse": pl.List(pl.Float64),
    "place": pl.List(pl.Float64),
    "ill": pl.Boolean,
}


def rows() -> pl.DataFrame:
    good = [
        (0, LARGE, "é" * 1_000_000, [1.0, -0.0, 1e-300], [0.5, 2.0]),
        (1, None, None, None, [1.0, 2.0]),
        (2, b"\x00", "", [], [0.1, 0.2]),
        (3, b"GIF89a\xff", 'a,"b"\n', [0.1] * 4, [1 / 3, 2e300]),
    ]
    filled = [(4 + index, bytes([index]), f"text {index}", [float(index)], [float(index), 1.0]) for index in range(60)]
    return pl.DataFrame([(*row, row[0] % 2 == 0) for row in good + filled], schema=SCHEMA, orient="row")


def taken(frame: pl.DataFrame, folder: Path, name: str = "rows.parquet") -> tuple[Snapshot, Home]:
    home = Home(root=folder / "home")
    frame.write_parquet(folder / name)
    return take_snapshot(Source(path=str(folder / name)), CONTRACT, home), home


def test_a_snapshot_holds_every_value_as_it_was(tmp_path: Path) -> None:
    snapshot, home = taken(rows(), tmp_path)
    assert_frame_equal(pl.read_parquet(snapshot.path), rows())
    again, _ = taken(rows().sample(fraction=1, shuffle=True, seed=1), tmp_path, "shuffled.parquet")
    assert again.digest == snapshot.digest
    kept = validate_snapshot(snapshot, CONTRACT, home, "visits")
    assert (kept.rows, kept.quarantined) == (64, 0)
    assert_frame_equal(KeptRows(kept.path, kept.mask, CONTRACT).scan().collect(), rows())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("photo", LARGE[:-1] + bytes([LARGE[-1] ^ 1])),
        ("photo", None),
        ("letter", "é" * 999_999 + "e"),
        ("pulse", [1.0, 1e-300, -0.0]),
        ("pulse", [1.0, 0.0]),
        ("pulse", None),
    ],
)
def test_the_digest_tells_any_other_value(name: str, value: Any, tmp_path: Path) -> None:
    before, _ = taken(rows(), tmp_path)
    values = rows()[name].to_list()
    changed = rows().with_columns(pl.Series(name, [value, *values[1:]], dtype=SCHEMA[name]))
    assert taken(changed, tmp_path)[0].digest != before.digest


def test_a_value_that_breaks_the_contract_goes_to_quarantine_whole_and_with_its_reason(tmp_path: Path) -> None:
    broken = [
        ("photo", LARGE + b"1", "photo: larger than 1,000,000 bytes"),
        ("photo", b"", "photo: empty"),
        ("letter", "x" * 2_000_001, "letter: longer than 2000000"),
        ("pulse", [0.0] * 5, "pulse: longer than 4"),
        ("pulse", [float("nan")], "pulse: not finite"),
        ("pulse", [None], "pulse: not finite"),
        ("place", [1.0], "place: shorter than 2"),
        ("place", None, "place: missing"),
    ]
    frame = rows()
    for place, (name, value, _) in enumerate(broken, 4):
        values = frame[name].to_list()
        values[place] = value
        frame = frame.with_columns(pl.Series(name, values, dtype=SCHEMA[name]))
    snapshot, home = taken(frame, tmp_path)
    found = validate_snapshot(snapshot, CONTRACT, home, "visits")
    assert found.quarantined == len(broken)
    quarantine = pl.read_parquet(found.quarantine)
    assert quarantine["reasons"].to_list() == [[reason] for _, _, reason in broken]
    assert_frame_equal(quarantine.select(frame.columns), frame[4 : 4 + len(broken)])


def test_splits_hold_every_row_once_and_unharmed(tmp_path: Path) -> None:
    snapshot, home = taken(rows(), tmp_path)
    kept = validate_snapshot(snapshot, CONTRACT, home, "visits")
    folder = tmp_path / "splits"
    folder.mkdir()
    rule = RandomSplit(by="random", train=0.6, validation=0.2, test=0.2, min_class_rows=1)
    splits, left_out = split_rows(KeptRows(kept.path, kept.mask, CONTRACT), rule, folder)
    assert not left_out
    assert_frame_equal(pl.concat([pl.read_parquet(split.path) for split in splits.values()]).sort("key"), rows())


def test_text_sources_hold_base64_and_lists(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    lines = [
        json.dumps(row | {"photo": row["photo"] and base64.b64encode(row["photo"]).decode()})
        for row in rows().to_dicts()
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    snapshot = take_snapshot(Source(path=str(tmp_path / "rows.jsonl")), CONTRACT, home)
    assert_frame_equal(pl.read_parquet(snapshot.path).select(rows().columns), rows())
    assert snapshot.digest == taken(rows(), tmp_path)[0].digest


def test_text_that_is_no_base64_or_list_is_refused_by_row_and_kept(tmp_path: Path) -> None:
    frame = rows()[4:10].with_columns(
        photo=pl.col("photo").bin.encode("base64"),
        pulse=pl.lit("[1, 2.5]"),
        place=pl.Series(["[1, 2]", "[1, 2", "1 2", '["a", 1]', "[1, null]", "[3, 4]"]),
    )
    frame = frame.with_columns(photo=pl.when(pl.col("key") == 9).then(pl.lit("no base64!")).otherwise("photo"))
    snapshot, home = taken(frame, tmp_path)
    found = validate_snapshot(snapshot, msgspec.structs.replace(CONTRACT, quarantine_tolerance=1.0), home, "visits")
    assert found.reasons == {"place: not a vector": 3, "photo: not a bytes": 1, "place: not finite": 1}
    assert pl.read_parquet(found.quarantine)["photo:raw"].to_list()[-1] == "no base64!"


def test_blobs_of_a_database_are_read(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "visits.db") as database:
        database.execute("create table visits (key, photo blob, letter, pulse, place, ill)")
        database.execute("insert into visits values (1, ?, 'hi', null, '[1, 2]', 1)", [LARGE])
        database.execute("insert into visits values (2, null, null, '[]', '[3, 4]', 0)")
    database.close()
    source = Source(sql="select * from visits", uri=f"sqlite:///{tmp_path}/visits.db")
    snapshot = take_snapshot(source, CONTRACT, Home(root=tmp_path / "home"))
    assert pl.read_parquet(snapshot.path)["photo"].to_list() == [LARGE, None]


def test_a_column_of_another_type_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="column 'photo' is Int64, which cannot become a bytes"):
        taken(rows().with_columns(photo=pl.col("key")), tmp_path)
    with pytest.raises(ContractError, match=r"column 'place' is List\(String\), which cannot become a vector"):
        taken(rows().with_columns(place=pl.concat_list(pl.lit("a"))), tmp_path)


def test_fewer_rows_are_worked_on_at_once_where_values_may_be_large() -> None:
    assert rows_at_once(CONTRACT) < 1_000

    class Small(Contract):
        """Only numbers."""

        ill: bool = column("label", roles=("label",), available="after")

    assert rows_at_once(Small.spec()) == BLOCK
