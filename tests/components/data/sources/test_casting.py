"""A value of the source is the contract's value exactly, or is refused with its text."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artefacts.errors import ContractError
from components.data.sources.casting import cast_columns, contract_casts
from data_contracts.contract import Contract, column

BEYOND = [2**53 + index for index in range(6)]


class Reading(Contract):
    """A field of every type that can lose something on its way."""

    number: int | None = column("number")
    size: float | None = column("size")
    moment: datetime | None = column("moment")
    day: date | None = column("day")
    good: bool = column("label", roles=("label",), available="after")


def cast(name: str, values: pl.Series) -> list[tuple[object, str | None]]:
    """Return value and raw text of each row of one column; moments and days as the numbers that are stored."""
    nothing = {other: pl.lit(None) for other in Reading.model_fields if other != name}
    frame = values.alias(name).to_frame().lazy().with_columns(**nothing)
    rows = frame.select(cast_columns(contract_casts(frame.collect_schema(), Reading.spec())))
    raw = f"{name}:raw"
    stored = pl.col(name).to_physical() if name in ("moment", "day") else pl.col(name)
    told = stored, (pl.col(raw) if raw in rows.collect_schema() else pl.lit(None, dtype=pl.String).alias(raw))
    return [(row[0], row[1]) for row in rows.select(told).collect(engine="streaming").rows()]


def refused(*texts: str) -> list[tuple[object, str | None]]:
    return [(None, text) for text in texts]


def test_large_whole_decimals_stay_what_they_are() -> None:
    ids = pl.Series([Decimal(value) for value in BEYOND], dtype=pl.Decimal(38, 0))
    assert cast("number", ids) == [(value, None) for value in BEYOND]
    cents = pl.Series([Decimal(BEYOND[1]), Decimal("2.50"), Decimal(-3)], dtype=pl.Decimal(38, 2))
    assert cast("number", cents) == [(BEYOND[1], None), (None, "2.50"), (-3, None)]
    huge = pl.Series([Decimal(2**63), Decimal(-(2**63))], dtype=pl.Decimal(38, 0))
    assert cast("number", huge) == [(None, str(2**63)), (-(2**63), None)]


def test_a_whole_float_is_an_integer_up_to_where_integers_share_a_float() -> None:
    last = 2.0**53 - 1
    assert cast("number", pl.Series([last, -last, 1.5, None, float("nan")])) == [
        (2**53 - 1, None),
        (1 - 2**53, None),
        (None, "1.5"),
        (None, None),
        (None, None),
    ]
    assert [value for value, _ in cast("number", pl.Series([2.0**53, -(2.0**53), 2.0**60, 1e300]))] == [None] * 4
    assert cast("number", pl.Series([2.0**24 - 1, 2.0**24], dtype=pl.Float32)) == [
        (2**24 - 1, None),
        (None, "16777216.0"),
    ]
    assert cast("number", pl.Series([2**63, 7], dtype=pl.UInt64)) == [(None, str(2**63)), (7, None)]


def test_text_of_an_integer_is_read_digit_by_digit() -> None:
    good = {
        "9007199254740993": 2**53 + 1,
        " 7 ": 7,
        "+5": 5,
        "-12.000": -12,
        "1e3": 1000,
    }
    assert cast("number", pl.Series(list(good))) == [(value, None) for value in good.values()]
    bad = (
        "1e18",
        "9007199254740993.0",
        "9223372036854775808",
        "1.00000000000000000001",
        ".5",
        "",
        "12x",
        "0x10",
        "1_000",
    )
    assert cast("number", pl.Series(bad)) == refused(*bad)


@given(
    st.lists(
        st.one_of(
            st.integers(-(2**65), 2**65).map(str),
            st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**18), max_value=10**18).map(
                str
            ),
            st.from_regex(r"[+-]?[0-9]{1,17}(\.[0-9]{0,4})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=150, deadline=None)
def test_no_text_becomes_another_integer_than_it_says(texts: list[str]) -> None:
    for text, (value, raw) in zip(texts, cast("number", pl.Series(texts)), strict=True):
        if value is None:
            assert raw == text
            # Plain digits are never refused, unless 64 bits do not hold them.
            assert not text.lstrip("+-").isdigit() or not -(2**63) <= int(text) < 2**63
        else:
            assert Decimal(text) == value


def moments(values: list[int], unit: str, dtype: pl.DataType | None = None) -> pl.Series:
    return pl.Series(values, dtype=pl.Int64).cast(dtype or pl.Datetime(unit))  # type: ignore[arg-type]


def test_nanoseconds_are_refused_where_they_would_be_cut_off() -> None:
    found = cast("moment", moments([1_704_067_200_123_456_000, 1_704_067_200_123_456_789], "ns"))
    assert found == [(1_704_067_200_123_456, None), (None, "2024-01-01 00:00:00.123456789")]
    assert cast("day", moments([0, 86_400 * 10**9, 1], "ns")) == [
        (0, None),
        (1, None),
        (None, "1970-01-01 00:00:00.000000001"),
    ]
    texts = pl.Series(["2024-01-01T00:00:00.123456789", "2024-01-01 00:00:00.123456000", "2024-01-01T00:00"])
    assert [value for value, _ in cast("moment", texts)] == [None, 1_704_067_200_123_456, 1_704_067_200_000_000]
    assert cast("day", pl.Series(["2024-01-01T00:00:00.0000001"])) == refused("2024-01-01T00:00:00.0000001")


@pytest.mark.parametrize("value", [2**62, -(2**62), 2**63 - 1, -(2**63)])
def test_a_moment_too_far_away_to_be_counted_is_refused_without_a_panic(
    value: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cast("moment", moments([value, 1], "ms")) == [(None, f"{value} ms since 1970"), (1_000, None)]
    assert cast("day", moments([value, 86_400_000], "ms")) == [(None, f"{value} ms since 1970"), (1, None)]
    assert cast("day", moments([value], "us")) == refused(f"{value} us since 1970")
    assert cast("moment", pl.Series([2**31 - 1, 1], dtype=pl.Int32).cast(pl.Date)) == [
        (None, "2147483647 days since 1970"),
        (86_400_000_000, None),
    ]
    assert "panicked" not in capfd.readouterr().err


def test_a_moment_with_a_zone_is_its_utc_clock() -> None:
    berlin = pl.Series([datetime(2024, 1, 1, 1)]).dt.replace_time_zone("Europe/Berlin")
    assert cast("moment", berlin) == [(1_704_067_200_000_000, None)]
    assert cast("day", berlin) == [(19_723, None)]
    texts = pl.Series(["2024-01-01T02:00:00+02:00", "2024-01-01 00:00:00Z", "2024-01-01T01:00:00-05:00"])
    assert [value for value, _ in cast("day", texts)] == [19_723, 19_723, None]


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20)))
@settings(max_examples=50, deadline=None)
def test_a_decimal_becomes_the_nearest_number(values: list[Decimal]) -> None:
    column = pl.Series(values, dtype=pl.Decimal(38, 9))
    assert [value for value, _ in cast("size", column)] == [float(value) for value in values]


def test_a_type_without_a_way_is_named_in_a_sentence() -> None:
    with pytest.raises(ContractError, match=r"column 'number' is List\(Int64\), which cannot become an integer: conv"):
        cast("number", pl.Series([[1]]))


@pytest.mark.parametrize(
    "dtype",
    [pl.String(), pl.Float64(), pl.Decimal(38, 2), pl.UInt64(), pl.Datetime("ns"), pl.Datetime("ms", "UTC"), pl.Date()],
)
def test_no_cast_gathers_the_rows_of_a_stream(dtype: pl.DataType, tmp_path: Path) -> None:
    schema: dict[str, pl.DataType] = dict.fromkeys(Reading.model_fields, pl.String()) | {"number": dtype}
    if dtype.is_temporal():
        schema |= {"number": pl.String(), "moment": dtype, "day": dtype}
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "rows.parquet")
    rows = pl.scan_parquet(tmp_path / "rows.parquet")
    plan = rows.select(cast_columns(contract_casts(rows.collect_schema(), Reading.spec()))).show_graph(
        raw_output=True, plan_stage="physical", engine="streaming"
    )
    assert plan is not None
    # Polars fills the steps with colour that hold all rows in memory.
    assert [line for line in plan.splitlines() if "fillcolor" in line and "label=" in line] == []
