from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from components.artefacts.errors import HostError
from components.catalog import find_kind
from components.settings import Settings
from components.training.costs.cards import CONTEXT_MB, LAUNCH_SECONDS, card_estimates, card_memory_mb, step_flops
from components.training.costs.estimate import FURTHER_TRIAL, Part, Spent
from components.training.costs.prices import PRICES, read_prices
from components.training.costs.probing import network_part
from components.training.spending import Budget
from tests.components.training.small_fit import make_plain_network, make_plan
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels


def test_prices_older_than_half_a_year_warn() -> None:
    prices = read_prices()
    assert read_prices(today=prices.as_of).warning == ""
    later = date(prices.as_of.year + 1, prices.as_of.month, prices.as_of.day)
    said = read_prices(today=later).warning
    assert "365 days old (over 180): write today's into a copy of" in said
    assert said.endswith(f"{PRICES}, with their date as as_of, and name that file in SLIPWAY_PRICES")


def test_a_list_of_prices_of_ones_own_is_read_and_a_bad_one_is_told(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text(PRICES.read_text().replace("2025-06-01", "2026-11-01"))
    assert read_prices(own).as_of == date(2026, 11, 1)
    own.write_text(PRICES.read_text().replace("memory_gb: 16", "memory: 16"))
    with pytest.raises(
        HostError, match=r"SLIPWAY_PRICES names .*prices\.yaml: 2 faults: line 7: unknown key 'cards.0.memory'"
    ):
        read_prices(own)
    with pytest.raises(HostError, match=r"missing\.yaml: No such file or directory"):
        read_prices(tmp_path / "missing.yaml")


def test_operations_of_a_step_are_counted() -> None:
    # 24 rows through 4x8 and 8x1: two operations a weight forward, and backward for weights and for what lies between.
    assert step_flops(make_plan()) == 24 * 2 * (2 * 4 * 8 + 3 * 8 * 1)


def test_memory_on_a_card_is_weights_optimizer_and_activations_of_the_declared_batch() -> None:
    # 4-8-1 in fp32: 49 weights. A row: its inputs and target, what the ReLU gives, the answer.
    plan = make_plan(network=make_plain_network)
    plan = replace(plan, options=plan.options.model_copy(update={"precision": "fp32"}))
    a_row = 4 * ((4 + 1) + 8 + 1)
    # A validation batch has more rows (64) than a step (24).
    assert (card_memory_mb(plan) - CONTEXT_MB) * 1e6 == pytest.approx(49 * 16 + 64 * a_row)
    larger = replace(plan, training=plan.validation)
    assert card_memory_mb(larger) == pytest.approx(card_memory_mb(plan))
    averaged = replace(plan, options=plan.options.model_copy(update={"ema": 0.9}))
    assert (card_memory_mb(averaged) - card_memory_mb(plan)) * 1e6 == pytest.approx(49 * 4)


def test_a_card_with_too_little_memory_is_marked() -> None:
    prices = read_prices()
    small = prices.cards[0].model_copy(update={"name": "small", "memory_gb": 0.5})
    found = card_estimates(
        make_plan(), prices.model_copy(update={"cards": (small, prices.cards[0])}), (), lambda price: Budget(1e9)
    )
    assert [(card.name, card.fits) for card in found] == [("small", False), ("T4", True)]


def test_a_card_takes_over_the_steps_and_nothing_else() -> None:
    plan = make_plan(epochs=10)
    network = Part(name="network", once=Spent(wall=1), each=Spent(wall=3), steps=Spent(wall=2), unit="epoch", most=10)
    trees = Part(name="xgboost", once=Spent(wall=5), each=Spent(wall=0.5), unit="tree", most=40)
    (card, *_) = card_estimates(plan, read_prices(), (network, trees), lambda price: Budget(1e9))
    assert card.steps_seconds == pytest.approx(80 * LAUNCH_SECONDS)
    assert card.seconds == pytest.approx(1 + 10 * (3 - 2) + 5 + 20 + card.steps_seconds)
    further = Part(name="search", once=Spent(), each=Spent(wall=31), steps=Spent(wall=20), unit=FURTHER_TRIAL, most=4)
    (searched, *_) = card_estimates(plan, read_prices(), (network, trees, further), lambda price: Budget(1e9))
    assert searched.steps_seconds == pytest.approx(5 * card.steps_seconds)
    assert searched.seconds == pytest.approx(card.seconds + 4 * (31 - 20) + 4 * card.steps_seconds)
    capped = card_estimates(plan, read_prices(), (network, trees), lambda price: Budget(3.6 / price))
    assert all(one.usd == pytest.approx(0.001) for one in capped), "each card's own price sets the cap"


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
    estimate = kind.estimate(prepared, workload, parcels_spec(), read_prices(), Settings(threads=1, price_per_hour=3.6))
    parts = {part.name: part for part in estimate.parts}
    assert set(parts) == {"reading", "xgboost", "linear", "network", "export", "choice"}
    most = sum(part.taking(part.most).wall for part in estimate.parts)
    assert estimate.seconds == pytest.approx(most, abs=0.051), "rounded to a tenth of a second"
    assert estimate.least_seconds <= estimate.seconds
    assert estimate.usd == pytest.approx(most / 1000, abs=1e-6), "asked of the seconds before they are rounded"
    assert estimate.steps == 4 * 7
    stays = sum(part.taking(part.most).wall - (part.steps * part.most).wall for part in estimate.parts)
    assert all(card.seconds == pytest.approx(stays + card.steps_seconds, abs=0.01) for card in estimate.cards)
    assert estimate.memory_mb > 0


def test_a_search_is_part_of_the_estimate_within_its_minutes(tmp_path: Path) -> None:
    ranges = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    workload = parcels_workload(search={"trials": 5, "minutes": 60, "ranges": ranges})
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    found = kind.estimate(prepared, workload, parcels_spec(), read_prices(), Settings(threads=1))
    parts = {part.name: part for part in found.parts}
    assert parts["search"].most == 4
    assert parts["search"].each == parts["network"].taking(parts["network"].most)


def test_a_cap_bounds_the_estimate_and_is_named(tmp_path: Path) -> None:
    workload = parcels_workload(epochs=10_000, time_cap_minutes=0.05)
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    kind = find_kind("tabular")
    assert kind.estimate is not None
    estimate = kind.estimate(prepared, workload, parcels_spec(), read_prices(), Settings(threads=1))
    assert estimate.seconds < sum(part.taking(part.most).wall for part in estimate.parts)
    assert "stops at the time cap of 3 s" in estimate.warnings
