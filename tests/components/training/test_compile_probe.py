from dataclasses import replace

import pytest

from components.training.compile_probe import Speed, choose_compile, decide, measure_steps
from components.training.options import TrainingOptions
from tests.components.training.small_fit import make_plan


def test_a_short_training_is_not_compiled_and_the_reason_has_the_figure() -> None:
    choice = choose_compile(make_plan())
    assert not choice.compile
    assert "not compiled: 24 eager steps take about 0 s in all" in choice.reason


@pytest.mark.parametrize(("option", "compiled"), [("always", True), ("never", False)])
def test_the_workload_file_can_decide(option: str, compiled: bool) -> None:
    plan = make_plan()
    plan = replace(plan, options=TrainingOptions(compile=option))  # type: ignore[arg-type]
    choice = choose_compile(plan)
    assert choice.compile is compiled
    assert f"torch.compile {option} as the workload file says" in choice.reason


def test_compiling_is_chosen_only_where_it_earns_its_time_back() -> None:
    hardware = make_plan().hardware
    eager, compiled = Speed(first=0.1, step=0.010, mean=0.011), Speed(first=30.0, step=0.006, mean=0.007)
    assert not decide(hardware, eager, compiled, steps=1_000).compile
    long = decide(hardware, eager, compiled, steps=100_000)
    assert long.compile
    assert "10.0 ms a step eager, 6.0 ms compiled after 30 s: 1000 s against 630 s" in long.reason


def test_a_gain_within_the_noise_does_not_decide() -> None:
    eager, compiled = Speed(first=0.1, step=0.010, mean=0.01), Speed(first=0.2, step=0.0095, mean=0.01)
    assert not decide(make_plan().hardware, eager, compiled, steps=1_000_000).compile


def test_steps_are_timed_by_their_median() -> None:
    ticks = iter([0.0, 5.0, 6.0, 7.0, 17.0, 18.0, 19.0])
    speed = measure_steps(make_plan(), compiled=False, steps=6, clock=lambda: next(ticks))
    assert speed == Speed(first=5.0, step=1.0, mean=2.8)
