"""The time cap counts work, not the wall: waiting for a turn on a loaded machine is not training."""

import subprocess
import sys
import time

import pytest

from components.training import spending
from components.training.spending import Budget, Meter, Spent, spent_of

BUSY = "import time\nwhile time.process_time() < 30: pass"


def test_waiting_is_on_the_wall_and_is_no_work() -> None:
    meter = Meter(threads=1)
    time.sleep(0.3)
    spent = meter.spent()
    assert spent.clock >= 0.3
    assert spent.worked < spent.clock / 2


def test_work_is_counted_once_for_the_threads_that_share_it_and_never_beyond_the_wall() -> None:
    one, four, card = Meter(threads=1), Meter(threads=4), Meter(threads=None)
    # Other threads of this process may work, too: then its processor's time runs ahead of the wall's.
    work, wall = time.process_time() + 0.4, time.monotonic() + 0.4
    while time.process_time() < work or time.monotonic() < wall:
        pass
    assert 0.4 <= one.spent().worked <= one.spent().clock
    assert 0.1 <= four.spent().worked < one.spent().worked
    on_card = card.spent()
    assert on_card.worked == on_card.clock


def test_the_work_of_a_child_that_is_alive_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "LOOK_SECONDS", 0.0)
    meter = Meter(threads=1)
    child = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        for _ in range(1_000):
            if meter.spent().worked > 0.2:
                break
            time.sleep(0.02)
        assert meter.spent().worked > 0.2
    finally:
        child.kill()
        child.wait()


def test_what_is_expected_is_held_against_each_cap_by_the_clock_that_it_counts() -> None:
    loaded = spent_of(clock=100.0, processor=40.0, threads=2)
    assert loaded == Spent(clock=100.0, worked=20.0)
    assert Budget(30.0).within(loaded) == (100.0, "")
    assert Budget(10.0).within(loaded) == (50.0, "time cap of 10 s")
    assert Budget(30.0, "cost cap").within(loaded) == (30.0, "cost cap of 30 s")
    assert Budget(10.0, clock_seconds=40.0).within(loaded) == (40.0, "cost cap of 40 s")
    assert Budget(30.0).within(spent_of(clock=100.0, processor=1.0, threads=None)) == (30.0, "time cap of 30 s")
    assert Budget(0.0).within(Spent(0.0, 0.0)) == (0.0, "")
