"""Judging each different string once refuses the rows, for the reasons, that judging every row does."""

from typing import Literal

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.quarantine import reasons_of
from components.data.record_batches import record_batch
from components.delivery.score_parts import Judge, Part
from data_contracts.contract import Contract, column
from data_contracts.frame_schema import frame_schema, raw_column
from data_contracts.row_checks import keeps, row_checks


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


def test_a_contract_without_numbers_is_judged_by_its_strings() -> None:
    texts = msgspec.structs.replace(SPEC, fields=SPEC.inputs[:2])
    frame = pl.DataFrame({"code": ["AB", None, "AB"], "city": ["Oslo", "Oslo", "Rom"]})
    judged = Judge(texts).judge(Part(record_batch(frame), []))
    assert judged.is_kept.to_list() == [True, False, False]
    assert judged.reasons.to_list() == [None, ["code: missing"], ["city: not an allowed value"]]
