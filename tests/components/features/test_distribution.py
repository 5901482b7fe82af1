"""Quantiles and moments are exact."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.features.distribution import distribution

RANDOM = np.random.default_rng(3)
SHARES = (0.0, 0.01, 0.25, 0.5, 0.9, 1.0)
LARGE = {
    "normal": RANDOM.normal(5, 2, 300_001),
    "few values": RANDOM.choice([10.0, 9.0, 0.5], 300_000),
    "one value": np.full(300_000, 7.0),
    "mostly one": np.where(RANDOM.random(300_000) < 0.9, 0.0, RANDOM.random(300_000)),
    "in order": np.arange(300_000) * 0.5,
    "periodic": np.arange(300_000) % 9 + RANDOM.random(300_000),
    "the sample is far off": np.where(np.arange(300_000) % 9 == 0, 1e9, RANDOM.random(300_000)),
}


def expected(values: NDArray[np.float64], share: float, method: str) -> float:
    ordered, place = np.sort(values), share * (values.size - 1)
    if method == "nearest":
        return float(ordered[math.floor(place + 0.5)])
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return float(low + (place - math.floor(place)) * (high - low))


@pytest.mark.parametrize("name", list(LARGE))
def test_quantiles_of_many_values_are_those_of_the_ordered_values(name: str) -> None:
    known = distribution(pl.Series(LARGE[name]))
    for method in ("linear", "nearest"):
        for shares in (SHARES, tuple(np.linspace(0, 1, 21))):
            wanted = [expected(LARGE[name], share, method) for share in shares]
            assert known.quantiles(shares, method) == pytest.approx(wanted, rel=1e-15, abs=0)  # type: ignore[arg-type]
    assert known.moments() == pytest.approx((LARGE[name].mean(), LARGE[name].std()), rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1)
    | st.lists(st.none() | st.integers(-40, 900), min_size=1)
    | st.lists(st.integers(2**60, 2**60 + 50), min_size=1),
    share=st.floats(0, 1),
)
def test_whole_numbers_are_what_they_are_one_by_one(values: list[int | None], share: float) -> None:
    known = distribution(pl.Series(values, dtype=pl.Int64))
    present = np.array([value for value in values if value is not None], dtype=np.int64).astype(np.float64)
    assert (known.size, known.rows) == (present.size, len(values))
    if present.size:
        assert known.quantiles([share], "nearest") == [expected(present, share, "nearest")]
        assert known.median == pytest.approx(expected(present, 0.5, "linear"), rel=1e-15)
        mean, deviation = known.moments()
        assert mean == pytest.approx(present.mean(), rel=1e-9, abs=1e-9 * np.abs(present).max())
        assert deviation == pytest.approx(present.std(), rel=1e-6, abs=1e-9 * np.abs(present).max())


def test_what_is_no_value_does_not_count() -> None:
    numbers = distribution(pl.Series([1.0, None, math.nan, math.inf, 4.0]))
    assert (numbers.size, numbers.rows, numbers.median) == (2, 5, 2.5)
    flags = distribution(pl.Series([True, None, False, True]))
    assert (flags.size, flags.rows, flags.median) == (3, 4, 1.0)
    assert distribution(pl.Series([None, None], dtype=pl.Int64)).size == 0


def test_sums_that_do_not_fit_are_infinite() -> None:
    assert not math.isfinite(distribution(pl.Series([1e300, -1e300, 5.0])).moments()[1])
