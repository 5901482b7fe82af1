"""Splits by time, group, stratum and at random: whole, without overlap, the same for the same rows."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from components.data.kept_rows import KEPT, KeptRows
from components.data.results import Split
from components.data.split_declaration import SplitRule
from components.data.split_report import sampled, split_report
from components.data.splits import split_rows
from components.errors import SplitError
from data_contracts.contract import Contract, column
from data_contracts.frame_schema import frame_schema

ADAPTER: TypeAdapter[Any] = TypeAdapter(SplitRule)


class Visit(Contract):
    """A visit of a patient."""

    when: datetime = column("when", roles=("time",))
    patient: str = column("who", roles=("group",))
    value: float = column("measured")
    ill: bool = column("label", roles=("label",), available="after")


CONTRACT = Visit.spec()
SIZE = 3_000


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    start = datetime(2020, 1, 1)
    frame = pl.DataFrame(
        {
            "when": [start + timedelta(hours=int(hour)) for hour in range(SIZE)],
            "patient": [f"p{number}" for number in random.integers(0, 150, SIZE)],
            "value": random.normal(size=SIZE),
            "ill": random.random(SIZE) < 0.1,
        },
        schema=frame_schema(CONTRACT),
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def divide(rows: Path, rule: dict[str, Any], name: str = "splits") -> dict[str, Split]:
    folder = rows.parent / name
    folder.mkdir(exist_ok=True)
    mask = rows.with_name("mask.parquet")
    pl.DataFrame({KEPT: [True] * SIZE}).write_parquet(mask)
    return split_rows(KeptRows(rows, mask, CONTRACT), ADAPTER.validate_python(rule), folder)


@pytest.mark.parametrize("rule", [{"by": "random"}, {"by": "group"}, {"by": "stratified"}, {"by": "random", "seed": 3}])
def test_shares_hold_and_every_row_lies_in_one_split(rule: dict[str, Any], rows: Path) -> None:
    splits = divide(rows, rule)
    assert sum(split.rows for split in splits.values()) == SIZE
    frames = {name: pl.read_parquet(split.path) for name, split in splits.items()}
    assert pl.concat(frames.values()).sort("when").equals(pl.read_parquet(rows))
    wide = 0.08 if rule["by"] == "group" else 0.03
    assert abs(splits["train"].rows / SIZE - 0.7) < wide
    if rule["by"] == "stratified":
        for split in splits.values():
            assert split.positives == pytest.approx(pl.read_parquet(rows)["ill"].mean(), abs=0.003)
    if rule["by"] == "group":
        groups = [set(frame["patient"]) for frame in frames.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_a_split_follows_the_rows_and_the_seed_not_their_order(rows: Path) -> None:
    first = {name: set(pl.read_parquet(split.path)["when"]) for name, split in divide(rows, {"by": "random"}).items()}
    pl.read_parquet(rows).sample(fraction=1.0, shuffle=True, seed=1).write_parquet(rows)
    again = divide(rows, {"by": "random"}, "again")
    assert {name: set(pl.read_parquet(split.path)["when"]) for name, split in again.items()} == first
    other = divide(rows, {"by": "random", "seed": 1}, "other")
    assert set(pl.read_parquet(other["train"].path)["when"]) != first["train"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"by": "luck"}, "'time', 'random', 'stratified', 'group'"),
        ({"by": "random", "train": 0.9}, "come to 1.2; they must come to 1"),
        (
            {
                "by": "time",
                "train": {"start": "2020-01-01", "end": "2020-01-31"},
                "validation": {"start": "2020-02-03", "end": "2020-02-20"},
                "test": {"start": "2020-03-10", "end": "2020-03-20"},
                "gap_days": 7,
            },
            r"validation starts 2 days after train ends \(2020-01-31 to 2020-02-03\), but gap_days is 7",
        ),
    ],
)
def test_a_rule_declared_wrongly_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(rule)


def test_a_class_with_too_few_rows_is_refused(rows: Path) -> None:
    with pytest.raises(SplitError, match=r"split 'validation': only \d+ of its \d+ rows have ill = true; at least 100"):
        divide(rows, {"by": "stratified", "min_class_rows": 100})
    pl.read_parquet(rows).with_columns(pl.lit(False).alias("ill")).write_parquet(rows)
    with pytest.raises(SplitError, match=r"split 'train': every one of its .* rows has ill = false"):
        divide(rows, {"by": "random"})


def test_unknown_strata_and_missing_roles_are_refused(rows: Path) -> None:
    with pytest.raises(SplitError, match="'colour' is not a field of Visit"):
        divide(rows, {"by": "stratified", "fields": ["colour"]})


def test_the_report_finds_what_moved_between_splits(rows: Path) -> None:
    splits = divide(rows, {"by": "random"})
    quiet = split_report({name: sampled(split, CONTRACT) for name, split in splits.items()}, CONTRACT)
    assert max(shift.distance for shift in quiet if shift.field != "patient") < 0.1
    frame = pl.read_parquet(splits["test"].path).with_columns(pl.col("value") + 2, pl.lit("new").alias("patient"))
    frame.write_parquet(splits["test"].path)
    loud = split_report({name: sampled(split, CONTRACT) for name, split in splits.items()}, CONTRACT)
    assert {(shift.field, shift.split) for shift in loud[:2]} == {("value", "test"), ("patient", "test")}
    assert loud[0].distance > 0.6
