"""Energy: counters as Linux lays them out, one that starts again, and an honest word where nothing counts."""

from pathlib import Path

import pytest

from components.training.costs.energy import Energy, EnergyMeter


def counter(powercap: Path, name: str, microjoules: int, most: int = 1_000_000_000) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def test_packages_are_counted_once_and_a_counter_may_start_again(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", 5_000_000)
    counter(tmp_path, "intel-rapl:0:0", 4_000_000)  # the cores of that package: a part of it
    counter(tmp_path, "intel-rapl:1", 999_000_000)
    with EnergyMeter(tmp_path) as meter:
        counter(tmp_path, "intel-rapl:0", 41_000_000)
        counter(tmp_path, "intel-rapl:0:0", 30_000_000)
        counter(tmp_path, "intel-rapl:1", 34_999_999)
    found = meter.energy(seconds=meter.seconds, watts=0, card=False)
    assert found.source == "measured"
    assert found.wh == pytest.approx((36 + 36) / 3600)
    assert "2 processor package(s) by RAPL" in found.detail


def test_without_a_counter_the_stated_watts_are_used_and_it_is_called_an_estimate(tmp_path: Path) -> None:
    with EnergyMeter(tmp_path / "none") as meter:
        pass
    found = meter.energy(seconds=meter.seconds, watts=100, card=False)
    assert found.source == "estimated"
    assert "at 100 W as stated" in found.detail


def test_what_ran_in_an_earlier_process_is_not_called_measured(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", 0)
    with EnergyMeter(tmp_path) as meter:
        pass
    found = meter.energy(seconds=3600, watts=7, card=False)
    assert (found.source, found.wh) == ("estimated", 7)
    assert "most of it ran before" in found.detail


def test_a_sum_is_measured_only_if_both_parts_were() -> None:
    measured = Energy(wh=1, source="measured", detail="RAPL")
    guessed = Energy(wh=2, source="estimated", detail="7 W as stated")
    assert measured.and_then(measured, "graphs").source == "measured"
    total = measured.and_then(guessed, "graphs")
    assert (total.wh, total.source, total.detail) == (3, "estimated", "RAPL; graphs: 7 W as stated")


def test_a_card_that_nothing_counts_makes_the_whole_an_estimate(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", 0)
    with EnergyMeter(tmp_path) as meter:
        pass
    found = meter.energy(seconds=meter.seconds, watts=7, card=True)
    assert found.source == "estimated" or "by NVML" in found.detail
