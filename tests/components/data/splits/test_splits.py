"""Splits by time, group, stratum and at random: whole, without overlap, the same for the same rows."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from components.artefacts.errors import SplitError
from components.data.kept_rows import KEPT, KeptRows
from components.data.results import Split
from components.data.splits.division import split_rows
from components.data.splits.split_report import sampled, split_report
from components.declaration.split import SplitRule
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.frame_schema import frame_schema

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
    return split_rows(KeptRows(rows, mask, CONTRACT), ADAPTER.validate_python(rule), folder).splits


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


TIMES = {
    "by": "time",
    "train": {"start": "2020-01-01", "end": "2020-02-29"},
    "validation": {"start": "2020-03-11", "end": "2020-04-10"},
    "test": {"start": "2020-04-21", "end": "9999-12-31"},
}


def test_kept_rows_between_the_periods_are_counted_and_refused_ones_are_not(rows: Path) -> None:
    moments = pl.read_parquet(rows)["when"]
    outside = (moments >= datetime(2020, 3, 1)) & (moments < datetime(2020, 3, 11))
    outside |= (moments >= datetime(2020, 4, 11)) & (moments < datetime(2020, 4, 21))
    mask, folder = rows.with_name("mask.parquet"), rows.parent / "periods"
    folder.mkdir()
    pl.DataFrame({KEPT: pl.int_range(SIZE, eager=True) % 7 > 0}).write_parquet(mask)
    kept = pl.read_parquet(mask)[KEPT]
    splits, left_out = split_rows(KeptRows(rows, mask, CONTRACT), ADAPTER.validate_python(TIMES), folder)
    assert left_out == (outside & kept).sum() > 400
    assert sum(split.rows for split in splits.values()) + left_out == kept.sum()


def test_a_period_may_end_on_the_last_day_there_is(rows: Path) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999)
    frame = pl.read_parquet(rows)
    frame.with_columns(pl.concat([frame["when"][:-1], pl.Series([last], dtype=frame["when"].dtype)])).write_parquet(
        rows
    )
    assert divide(rows, TIMES)["test"].end == str(last)


def relabelled(rows: Path, label: FieldSpec, values: pl.Series) -> ContractSpec:
    pl.read_parquet(rows).with_columns(values.alias("ill")).write_parquet(rows)
    others = tuple(field for field in CONTRACT.fields if field.name != "ill")
    return msgspec.structs.replace(CONTRACT, fields=(*others, label))


def divided(rows: Path, contract: ContractSpec, rule: dict[str, Any]) -> dict[str, Split]:
    mask, folder = rows.with_name("mask.parquet"), rows.parent / "relabelled"
    folder.mkdir()
    pl.DataFrame({KEPT: [True] * SIZE}).write_parquet(mask)
    return split_rows(KeptRows(rows, mask, contract), ADAPTER.validate_python(rule), folder).splits


def test_a_rare_class_is_refused_if_classes_are_numbers_too(rows: Path) -> None:
    label = FieldSpec(name="ill", dtype="integer", description="l", roles=("label",), allowed=(0, 1, 2))
    classes = pl.Series([2 if place % 300 == 0 else place % 2 for place in range(SIZE)])
    with pytest.raises(SplitError, match=r"split 'train': only \d of its .* rows have ill = 2; at least 20 are needed"):
        divided(rows, relabelled(rows, label, classes), {"by": "random"})


def test_strata_of_single_rows_are_refused_with_what_helps(rows: Path) -> None:
    with pytest.raises(SplitError, match=r"'value' has 3,000 values in 3,000 rows.*leave it out of split.fields"):
        divide(rows, {"by": "stratified", "fields": ["value"]})
    label = FieldSpec(name="ill", dtype="number", description="l", roles=("label",))
    contract = relabelled(rows, label, pl.Series(np.random.default_rng(1).normal(size=SIZE)))
    with pytest.raises(SplitError, match=r"the label 'ill' has 3,000 values .* use by: random"):
        divided(rows, contract, {"by": "stratified"})


@pytest.mark.parametrize("name", ["cell", "rows", "len", "count"])
def test_a_field_may_have_any_name_that_is_no_column_of_ours(name: str, rows: Path) -> None:
    label = FieldSpec(name=name, dtype="string", description="l", roles=("label",), allowed=("a", "b"))
    frame = pl.read_parquet(rows).rename({"ill": name})
    frame.with_columns(pl.Series(name, ["a", "b"] * (SIZE // 2))).write_parquet(rows)
    others = tuple(field for field in CONTRACT.fields if field.name != "ill")
    contract = msgspec.structs.replace(CONTRACT, fields=(*others, label))
    assert divided(rows, contract, {"by": "stratified"})["test"].rows > 400


def test_a_monitored_period_without_rows_yet_or_with_one_outcome_only_fails_nothing(rows: Path) -> None:
    periods = {
        "train": {"start": "2020-01-01", "end": "2020-02-15"},
        "validation": {"start": "2020-02-16", "end": "2020-03-10"},
        "test": {"start": "2020-03-11", "end": "2020-04-10"},
    }
    later = {"by": "time", **periods, "monitor": {"start": "2021-01-01", "end": "2021-02-01"}}
    assert set(divide(rows, later)) == {"train", "validation", "test"}
    # Labels come in late: of two days there may be one outcome only, which judges nothing.
    few = {"by": "time", **periods, "monitor": {"start": "2020-04-11", "end": "2020-04-11"}}
    assert divide(rows, few, "few")["monitor"].rows == 24
