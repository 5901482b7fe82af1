"""Judging each different string once refuses the rows, for the reasons, that judging every row does."""

from datetime import date, datetime
from typing import Literal

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.quarantine import reasons_of
from components.data.record_batches import record_batch
from components.scoring.parts import Judge, Part
from data_contracts.contract import Contract, column
from data_contracts.language.frame_schema import frame_schema, raw_column
from data_contracts.language.row_checks import keeps, row_checks


class Parcel(Contract):
    """Strings with every kind of rule, and numbers that may fail to be one."""

    code: str = column("what kind", min_length=2, max_length=3, pattern="^[A-Z]+$")
    city: Literal["Oslo", "Rome"] | None = column("where to")
    note: str | None = column("whatever it says")
    weight: float | None = column("how heavy", gt=0)
    pieces: int = column("how many", ge=1)
    late: bool = column("too late", roles=("label",), available="after")


SPEC = Parcel.spec()
INPUTS = msgspec.structs.replace(SPEC, fields=SPEC.inputs)
codes = st.sampled_from(["AB", "ABC", "A", "ABCD", "ab", "日本", ""]) | st.none()
rows = st.tuples(
    codes,
    st.sampled_from(["Oslo", "Rome", "Rom", ""]) | st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.none(),
    st.floats() | st.none(),
    st.integers(-2, 3) | st.none(),
    st.sampled_from(["many", None]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=15))
def test_each_string_once_is_as_good_as_every_row(drawn: list[tuple[object, ...]]) -> None:
    raw = raw_column("pieces")
    schema = {**frame_schema(INPUTS), raw: pl.String()}
    frame = pl.DataFrame(drawn, schema=schema, orient="row")
    judged = Judge(INPUTS).judge(Part(record_batch(frame.drop(raw)), [frame[raw]]))
    kept = frame.select(kept=keeps(INPUTS, frame.columns)).to_series()
    assert judged.is_kept.to_list() == kept.to_list()
    reasons = frame.select(reasons_of(row_checks(INPUTS, frame.columns))).to_series().to_list()
    assert judged.reasons.to_list() == [found or None for found in reasons]


class Measured(Contract):
    """Numbers and moments with every kind of range."""

    size: float = column("how large", gt=-1, le=2)
    share: float | None = column("of the whole", ge=0, lt=1)
    count: int | None = column("how many", ge=-1, le=2)
    day: date | None = column("when", gt=date(1969, 12, 31), lt=date(2024, 1, 1))
    moment: datetime = column("when exactly", ge=datetime(1970, 1, 1))
    open: bool | None = column("whether")
    late: bool = column("too late", roles=("label",), available="after")


MEASURED = msgspec.structs.replace(Measured.spec(), fields=Measured.spec().inputs)
GOOD: tuple[list[object], ...] = ([0.5, 1.0, 2.0], [0.5, 0.0, None], [0, 1, 2, None], [0, 1], [0, 1], [True, None])
NUMBERS: list[object] = [0.999, 1.0, 2.5, -1.0, float("nan"), float("inf"), -float("inf"), None]
ODD: tuple[list[object], ...] = (
    NUMBERS,
    NUMBERS,
    [-2, -1, 3, None],
    # As days and microseconds: Polars holds years that Python has no date for.
    [-719_162, -719_163, 2_932_896, 2_932_897, None],
    [-62_135_596_800_000_000, -62_135_596_800_000_001, 2**62, None],
    [False, None],
)


@st.composite
def measures(draw: st.DrawFn) -> list[list[object]]:
    """Draw good rows, with at most one value among them that may not be."""
    rows = draw(st.lists(st.tuples(*map(st.sampled_from, GOOD)).map(list), min_size=2, max_size=4))
    column = draw(st.integers(0, len(GOOD)))
    if column < len(GOOD):
        draw(st.sampled_from(rows))[column] = draw(st.sampled_from(ODD[column]))
    return rows


@settings(max_examples=200, deadline=None)
@given(st.lists(measures(), min_size=1, max_size=4))
def test_ranges_of_earlier_parts_hide_nothing(parts: list[list[list[object]]]) -> None:
    schema = frame_schema(MEASURED)
    stored = {name: pl.Int32() if kind == pl.Date else kind for name, kind in schema.items()}
    stored = {name: pl.Int64() if kind == pl.Datetime else kind for name, kind in stored.items()}
    judge = Judge(MEASURED)
    for drawn in parts:
        frame = pl.DataFrame(drawn, schema=stored, orient="row").cast(dict(schema))
        judged = judge.judge(Part(record_batch(frame), []))
        assert judged.is_kept.to_list() == frame.select(kept=keeps(MEASURED)).to_series().to_list()
        reasons = frame.select(reasons_of(row_checks(MEASURED))).to_series().to_list()
        assert judged.reasons.to_list() == [found or None for found in reasons]


def test_a_contract_without_numbers_is_judged_by_its_strings() -> None:
    texts = msgspec.structs.replace(SPEC, fields=SPEC.inputs[:2])
    frame = pl.DataFrame({"code": ["AB", None, "AB"], "city": ["Oslo", "Oslo", "Rom"]})
    judged = Judge(texts).judge(Part(record_batch(frame), []))
    assert judged.is_kept.to_list() == [True, False, False]
    assert judged.reasons.to_list() == [None, ["code: missing"], ["city: not an allowed value"]]
