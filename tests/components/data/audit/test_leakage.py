"""The audit catches a planted leak of every kind and finds none in clean splits."""

import functools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from components.catalog import find_kind
from components.data.audit.findings import Audited, Finding
from components.data.audit.leakage import audit
from components.data.results import Prepared, Split
from components.declaration.audit import AuditLimits
from components.evaluation.hold_out import leakage_measure
from components.features.numeric import Standardise
from components.features.recipe import Recipe, write_recipe
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.frame_schema import frame_schema

SIZE = {"train": 2_000, "validation": 500, "test": 500}
# Chance brings more together where there are more rows.
MANY = {"train": 4_000, "validation": 1_000, "test": 1_000}
WORDS = [f"word{number}" for number in range(400)]


class Message(Contract):
    """A message that was or was not answered."""

    when: datetime = column("when", roles=("time",))
    number: str = column("running number", roles=("identifier",))
    sender: str = column("who", roles=("group",))
    body: str = column("text")
    length: float = column("a number")
    topic: str = column("a category")
    minutes: float | None = column("how long it took", available="after")
    answered: bool = column("label", roles=("label",), available="after")


CONTRACT = Message.spec()


@functools.cache
def clean_frames(*, many: bool = False) -> dict[str, pl.DataFrame]:
    random = np.random.default_rng(11)
    frames, start = {}, datetime(2024, 1, 1)
    for name, size in (MANY if many else SIZE).items():
        label = random.random(size) < 0.3
        frames[name] = pl.DataFrame(
            {
                "when": [start + timedelta(minutes=minute) for minute in range(size)],
                "number": [f"{value:012x}" for value in random.integers(0, 2**48, size)],
                "sender": [f"{name}-{value}" for value in random.integers(0, 200, size)],
                "body": [" ".join(words) for words in random.choice(WORDS, (size, 15))],
                # Helpful, as an honest feature is.
                "length": random.normal(size=size) + label,
                "topic": random.choice(["a", "b", "c"], size),
                "minutes": label * 3.0,
                "answered": label,
            },
            schema=frame_schema(CONTRACT),
        )
        start += timedelta(minutes=size)
    return frames


def findings(
    frames: dict[str, pl.DataFrame],
    folder: Path,
    field: str = "length",
    contract: ContractSpec = CONTRACT,
    by: Any = None,
    limits: AuditLimits | None = None,
) -> tuple[Finding, ...]:
    splits = {}
    for name, frame in frames.items():
        path = folder / f"{name}.parquet"
        frame.write_parquet(path)
        splits[name] = Split(
            name=name,
            path=path,
            features=None,
            rows=len(frame),
            positives=0.3,
            start=str(frame["when"].min()),
            end=str(frame["when"].max()),
        )
    recipe = Recipe((Standardise(field=field, fill=0.0, centre=0.0, width=1.0, flag=False),))
    (folder / "recipe.json").write_bytes(write_recipe(recipe))
    prepared = Prepared(
        digest="x",
        path=folder,
        assets={"recipe.json": folder / "recipe.json"},
        splits=splits,
        facts={"values": ("length",), "codes": {}},
        by=by,
    )
    return audit(prepared, contract, limits, find_kind("tabular").preparation)


def test_clean_splits_have_no_finding(tmp_path: Path) -> None:
    assert findings(clean_frames(many=True), tmp_path) == ()


def copied_rows(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    columns = ["sender", "body", "length", "topic", "number", "when"]
    copies = frames["test"].head(50).with_columns(frames["train"].head(50).select(columns).get_columns())
    return frames | {"test": pl.concat([copies, frames["test"].tail(-50)])}


def rounded_rows(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    copied = frames["train"].head(50).select("sender", "body", pl.col("length") * 1.000001, "topic")
    copies = frames["test"].head(50).with_columns(copied.get_columns())
    return frames | {"test": pl.concat([copies, frames["test"].tail(-50)])}


def edited_texts(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    copied = frames["train"].head(50)["body"] + " indeed"
    copies = frames["test"].head(50).with_columns(copied.alias("body"))
    return frames | {"test": pl.concat([copies, frames["test"].tail(-50)])}


def edited_short_texts(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    short = {name: frame.with_columns(pl.col("body").str.head(40)) for name, frame in frames.items()}
    copied = short["train"].head(50)["body"].str.to_uppercase() + "."
    return short | {"test": pl.concat([short["test"].head(50).with_columns(copied), short["test"].tail(-50)])}


def copied_chinese(frames: dict[str, pl.DataFrame], end: str, length: int) -> dict[str, pl.DataFrame]:
    random = np.random.default_rng(8)
    signs = [chr(0x4E00 + number) for number in range(3_000)]
    made = {
        name: frame.with_columns(
            pl.Series("body", ["".join(text) for text in random.choice(signs, (len(frame), length))])
        )
        for name, frame in frames.items()
    }
    copies = made["test"].head(50).with_columns(made["train"].head(50)["body"] + end)
    return made | {"test": pl.concat([copies, made["test"].tail(-50)])}


def short_chinese(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return copied_chinese(frames, "。", 8)


def longer_chinese(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return copied_chinese(frames, "吗", 30)


def few_long_texts(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    rare = pl.when(pl.int_range(pl.len()) % 3 == 0).then("body").otherwise(pl.lit("ok")).alias("body")
    copied = {name: frame.with_columns(rare) for name, frame in frames.items()}
    own = copied["train"].head(len(copied["test"]))["body"]
    return copied | {"test": copied["test"].with_columns(own)}


def copies_of_validation(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    columns = ["sender", "body", "length", "topic"]
    copies = frames["test"].head(50).with_columns(frames["validation"].head(50).select(columns).get_columns())
    return frames | {"test": pl.concat([copies, frames["test"].tail(-50)])}


def sender_of_validation(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return frames | {"test": frames["test"].with_columns(pl.lit("validation-1").alias("sender"))}


def shared_sender(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return frames | {"test": frames["test"].with_columns(pl.lit("train-1").alias("sender"))}


def early_test(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return frames | {"test": frames["test"].with_columns(pl.col("when") - pl.duration(days=2))}


def telling_number(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    noise = pl.col("length") * 0.1
    return {
        name: frame.with_columns((pl.col("answered").cast(pl.Float64) + noise).alias("length"))
        for name, frame in frames.items()
    }


def telling_category(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    told = pl.when("answered").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("topic")
    return {name: frame.with_columns(told) for name, frame in frames.items()}


def sorted_rows(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    train = frames["train"]
    return frames | {"train": train.select("when").hstack(train.drop("when").sort("answered")).select(train.columns)}


def telling_identifier(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    prefix = pl.col("answered").cast(pl.Int8).cast(pl.String)
    return {name: frame.with_columns((prefix + pl.col("number")).alias("number")) for name, frame in frames.items()}


@pytest.mark.parametrize(
    ("plant", "kind", "field"),
    [
        (copied_rows, "row_in_two_splits", None),
        (rounded_rows, "near_duplicate_rows", None),
        (edited_texts, "near_duplicate_text", "body"),
        (edited_short_texts, "near_duplicate_text", "body"),
        (short_chinese, "near_duplicate_text", "body"),
        (longer_chinese, "near_duplicate_text", "body"),
        (few_long_texts, "near_duplicate_text", "body"),
        (copies_of_validation, "near_duplicate_rows", None),
        (sender_of_validation, "group_in_two_splits", "sender"),
        (shared_sender, "group_in_two_splits", "sender"),
        (early_test, "time_order", "when"),
        (telling_number, "feature_predicts_label", "length"),
        (telling_category, "feature_predicts_label", "topic"),
        (sorted_rows, "row_order_predicts_label", None),
        (telling_identifier, "identifier_predicts_label", "number"),
    ],
)
def test_a_planted_leak_is_found_and_named(plant: Any, kind: str, field: str | None, tmp_path: Path) -> None:
    found = findings(plant(clean_frames()), tmp_path)
    assert (kind, field) in {(finding.kind, finding.field) for finding in found}
    for finding in found:
        assert finding.score > finding.limit
        assert "\n" not in finding.text


def relabelled(label: FieldSpec) -> ContractSpec:
    fields = tuple(field for field in CONTRACT.fields if field.name != "answered")
    return msgspec.structs.replace(CONTRACT, fields=(*fields, label))


NUMBER = relabelled(FieldSpec(name="answered", dtype="number", description="d", roles=("label",), available="after"))
CLASSES = relabelled(
    FieldSpec(
        name="answered",
        dtype="string",
        description="d",
        roles=("label",),
        available="after",
        allowed=("never", "soon", "late"),
    )
)


def with_numbers(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    random = np.random.default_rng(3)
    return {
        name: frame.with_columns((pl.col("length") * 2 + pl.Series(random.normal(size=len(frame)))).alias("answered"))
        for name, frame in frames.items()
    }


def with_classes(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    bands = pl.when(pl.col("answered") < -1).then(pl.lit("never")).when(pl.col("answered") < 2).then(pl.lit("soon"))
    return {
        name: frame.with_columns(bands.otherwise(pl.lit("late")).alias("answered"))
        for name, frame in with_numbers(frames).items()
    }


@pytest.mark.parametrize(("relabel", "contract"), [(with_numbers, NUMBER), (with_classes, CLASSES)])
def test_other_labels_leak_as_yes_or_no_does(relabel: Any, contract: ContractSpec, tmp_path: Path) -> None:
    frames = relabel(clean_frames(many=True))
    assert findings(frames, tmp_path, contract=contract) == ()
    kinds = {found.kind for found in findings(sorted_rows(frames), tmp_path, contract=contract)}
    assert kinds == {"row_order_predicts_label"}
    number = pl.col("answered").cast(pl.Float64) if contract is NUMBER else pl.col("answered").str.len_chars()
    told = {name: frame.with_columns(number.cast(pl.Float64).alias("length")) for name, frame in frames.items()}
    (found,) = findings(told, tmp_path, contract=contract)
    assert (found.kind, found.field) == ("feature_predicts_label", "length")


def test_a_feature_known_only_afterwards_is_found_in_the_recipe(tmp_path: Path) -> None:
    (finding,) = findings(clean_frames(), tmp_path, field="minutes")
    assert (finding.kind, finding.field) == ("known_only_afterwards", "minutes")


def test_findings_are_plain_data(tmp_path: Path) -> None:
    (first, *_) = findings(early_test(clean_frames()), tmp_path)
    assert msgspec.json.decode(first.model_dump_json())["kind"] == "time_order"


def test_what_recurs_in_a_later_split_is_named_with_the_split_it_comes_from(tmp_path: Path) -> None:
    texts = [found.text for found in findings(copies_of_validation(clean_frames()), tmp_path)]
    assert any("of 'test'" in text and "in 'validation'" in text for text in texts)


@pytest.mark.parametrize(("by", "kinds"), [("time", {"time_order"}), ("random", set()), ("group", set())])
def test_the_order_of_time_is_asked_only_where_it_is_promised(by: str, kinds: set[str], tmp_path: Path) -> None:
    assert {found.kind for found in findings(early_test(clean_frames()), tmp_path, by=by)} == kinds


def short_names(random: np.random.Generator, size: int) -> list[str]:
    """Names of customers, who come again: a few often, many once or twice."""
    return [f"Maria Garcia the {number}th" for number in (random.pareto(1.0, size) * 300).astype(int)]


def template(random: np.random.Generator, size: int) -> list[str]:
    towns, days = ["Berlin", "Paris", "Rome", "Oslo"], ["Monday", "Tuesday", "Friday"]
    return [
        f"Your parcel {random.integers(10**6)} was sent to {random.choice(towns)} last {random.choice(days)} by the "
        "usual carrier and will be with you within three working days"
        for _ in range(size)
    ]


@pytest.mark.parametrize("draw", [short_names, template])
def test_texts_that_are_alike_without_having_been_copied_are_no_leak(draw: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    frames = {
        name: frame.with_columns(pl.Series("body", draw(random, len(frame))))
        for name, frame in clean_frames(many=True).items()
    }
    assert findings(frames, tmp_path) == ()


def test_declared_limits_hold_and_are_told(tmp_path: Path) -> None:
    frames = copied_rows(clean_frames(many=True))
    strict = {found.kind for found in findings(frames, tmp_path)}
    assert {"row_in_two_splits", "near_duplicate_text", "group_in_two_splits"} <= strict
    wide = AuditLimits(
        duplicates=0.06, near_duplicates=0.06, near_duplicate_texts=0.06, shared_groups=0.5, time_overlap=0.06
    )
    assert findings(frames, tmp_path, limits=wide) == ()
    assert wide.declared()[0] == "audit.duplicates is 0.06, by default 0.001"
    assert AuditLimits().declared() == ()
    audited = Audited(digest="d", findings=(), declared=wide.declared())
    told = leakage_measure(audited.findings, audited.declared)
    assert told.value == 0
    assert "audit.shared_groups is 0.5, by default 0" in told.detail


@pytest.mark.parametrize("value", [pl.lit(None), pl.lit("same")])
def test_a_column_of_one_value_or_of_none_is_no_leak(value: pl.Expr, tmp_path: Path) -> None:
    number = pl.when(value.is_null()).then(None).otherwise(1.5).cast(pl.Float64).alias("length")
    text = value.cast(pl.String)
    frames = {
        name: frame.with_columns(number, text.alias("body"), text.alias("topic"))
        for name, frame in clean_frames().items()
    }
    assert findings(frames, tmp_path, field="length") == ()


def test_rows_without_a_label_are_left_out_of_what_tells_it(tmp_path: Path) -> None:
    frames = {
        name: frame.with_columns(pl.when(pl.int_range(pl.len()) % 9 > 0).then("answered").alias("answered"))
        for name, frame in clean_frames().items()
    }
    assert findings(frames, tmp_path) == ()
    assert {found.kind for found in findings(telling_number(frames), tmp_path)} == {"feature_predicts_label"}
