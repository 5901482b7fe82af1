from datetime import date
from pathlib import Path

import pytest

from components.catalog import find_kind
from components.settings import Settings
from components.training.estimate import Part, Spent, read_prices
from components.training.probing import card_estimates, network_part, step_flops
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


def test_a_part_scales_with_its_units_and_stops_early_at_the_least() -> None:
    part = Part(name="network", once=Spent(wall=2, cpu=3), each=Spent(wall=0.5, cpu=1), unit="epoch", least=4, most=10)
    assert part.taking(part.most) == Spent(wall=7, cpu=13)
    assert part.taking(part.least) == Spent(wall=4, cpu=7)


def test_the_epochs_of_a_network_are_probed_with_their_validation() -> None:
    part = network_part(make_plan(epochs=30, patience=3))
    assert (part.unit, part.least, part.most) == ("epoch", 4, 30)
    assert part.each.wall > 0
    assert part.taking(30).wall > part.taking(4).wall


def test_a_workload_is_estimated_part_by_part_and_nothing_is_trained(tmp_path: Path) -> None:
    workload = parcels_workload(linear=True)
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    estimate = kind.estimate(prepared, workload, parcels_spec(), Settings(threads=1, price_per_hour=3.6))
    parts = {part.name: part for part in estimate.parts}
    assert set(parts) == {"reading", "xgboost", "linear", "network", "export", "choice"}
    most = sum(part.taking(part.most).wall for part in estimate.parts)
    assert estimate.seconds == pytest.approx(most, abs=0.051), "rounded to a tenth of a second"
    assert estimate.least_seconds <= estimate.seconds
    assert estimate.usd == pytest.approx(most / 1000, abs=1e-6), "asked of the seconds before they are rounded"
    assert estimate.steps == 4 * 7


def test_a_search_is_part_of_the_estimate_within_its_minutes(tmp_path: Path) -> None:
    ranges = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    workload = parcels_workload(search={"trials": 5, "minutes": 60, "ranges": ranges})
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    found = kind.estimate(prepared, workload, parcels_spec(), Settings(threads=1))
    parts = {part.name: part for part in found.parts}
    assert parts["search"].most == 4
    assert parts["search"].each == parts["network"].taking(parts["network"].most)


def test_a_cap_bounds_the_estimate_and_is_named(tmp_path: Path) -> None:
    workload = parcels_workload(epochs=10_000, time_cap_minutes=0.05)
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    estimate = kind.estimate(prepared, workload, parcels_spec(), Settings(threads=1))
    assert estimate.seconds == pytest.approx(3.0)
    assert "stops at the time cap of 3 s" in estimate.warnings
