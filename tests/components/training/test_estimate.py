from datetime import date
from pathlib import Path

import pytest

from components.catalog import find_kind
from components.settings import Settings
from components.training.estimate import card_estimates, network_seconds, read_prices, step_flops
from tests.components.training.small_fit import make_plan
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels


def test_prices_older_than_half_a_year_warn() -> None:
    prices = read_prices()
    assert prices.warning(prices.as_of) is None
    later = date(prices.as_of.year + 1, prices.as_of.month, prices.as_of.day)
    assert "365 days old (over 180)" in str(prices.warning(later))


def test_operations_of_a_step_are_counted() -> None:
    # 24 rows through 4x8 and 8x1: two operations a weight forward, and backward for weights and for what lies between.
    assert step_flops(make_plan()) == 24 * 2 * (2 * 4 * 8 + 3 * 8 * 1)


def test_a_card_with_too_little_memory_is_marked() -> None:
    cards = card_estimates(make_plan(), read_prices(), memory_mb=20_000)
    fits = {card.name: card.fits for card in cards}
    assert not fits["T4"]
    assert fits["A100 40GB"]
    assert all(card.seconds > 0 for card in cards)


def test_the_estimate_of_a_network_grows_with_its_epochs() -> None:
    assert network_seconds(make_plan(epochs=3000)) > 20 * network_seconds(make_plan(epochs=3))


def test_a_workload_is_estimated_part_by_part_and_nothing_is_trained(tmp_path: Path) -> None:
    workload = parcels_workload(linear=True)
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    estimate = kind.estimate(prepared, workload, parcels_spec(), Settings(threads=1, price_per_hour=3.6))
    assert set(estimate.parts) == {"reading", "xgboost", "linear", "network", "export"}
    assert estimate.seconds == pytest.approx(sum(estimate.parts.values()), abs=0.2)
    assert estimate.usd == pytest.approx(estimate.seconds / 1000, rel=0.02)
    assert estimate.steps == 4 * 7


def test_a_cap_bounds_the_estimate_and_is_named(tmp_path: Path) -> None:
    workload = parcels_workload(epochs=10_000, time_cap_minutes=0.05)
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    estimate = kind.estimate(prepared, workload, parcels_spec(), Settings(threads=1))
    assert estimate.seconds == pytest.approx(3.0)
    assert "stops at the time cap of 3 s" in estimate.warnings
