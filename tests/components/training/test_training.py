from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing import ProcessExitedException
from torch.optim.optimizer import register_optimizer_step_post_hook

from components.artefacts.errors import TrainingError
from components.training.engine import Fitted, fit
from components.training.learner import LearningRate, Plan
from components.training.options import TrainingOptions
from components.training.spending import Budget, Spent, budget_of
from tests.components.training.small_fit import KilledAt, Loss, loss, make_plain_network, make_plan

PLENTY = Budget(600.0)


def same(first: Fitted, second: Fitted) -> bool:
    return all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())


def test_a_fit_learns_and_keeps_the_best_weights(tmp_path: Path) -> None:
    fitted = fit(make_plan(epochs=4), tmp_path, PLENTY)
    assert fitted.stopped == "finished"
    assert fitted.score == max(fitted.scores)
    assert fitted.scores[-1] > fitted.scores[0]
    assert (fitted.epochs, fitted.steps) == (4, 4 * 8)


def test_the_loss_of_each_epoch_is_the_mean_over_its_batches_and_over_validation_rows(tmp_path: Path) -> None:
    lost: list[float] = []

    def noted(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        value = loss(network, batch)
        lost.append(float(value.detach()))
        return value

    fitted = fit(make_plan(noted, accumulate=3), tmp_path, PLENTY)
    means = torch.tensor(lost).reshape(3, 8).mean(dim=1).tolist()
    assert [epoch.training_loss for epoch in fitted.curve] == pytest.approx(means, rel=1e-5)
    # The score of this task is the loss of all validation rows at once, with the sign turned.
    assert [epoch.validation_loss for epoch in fitted.curve] == pytest.approx([-one for one in fitted.scores], rel=1e-5)


def test_the_same_plan_twice_gives_the_same_weights(tmp_path: Path) -> None:
    assert same(fit(make_plan(), tmp_path / "a", PLENTY), fit(make_plan(), tmp_path / "b", PLENTY))
    assert not same(fit(make_plan(), tmp_path / "a", PLENTY), fit(make_plan(seed=2), tmp_path / "c", PLENTY))


def test_training_leaves_the_state_of_pytorch_as_it_was(tmp_path: Path) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    fit(make_plan(), tmp_path, PLENTY)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_finished_training_run_again_takes_no_step(tmp_path: Path) -> None:
    first = fit(make_plan(), tmp_path, PLENTY)

    def refuse(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        raise AssertionError("a step was taken")

    again = fit(make_plan(refuse), tmp_path, PLENTY)
    assert same(first, again)
    assert again.scores == first.scores


def test_a_training_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    plan = make_plan(epochs=50, patience=2, learning_rate=1e-9, schedule="constant")
    fitted = fit(plan, tmp_path, PLENTY)
    assert fitted.stopped == "early stopping"
    assert fitted.epochs < 50
    assert fit(plan, tmp_path, PLENTY).steps == fitted.steps


@pytest.mark.parametrize("cap", ["time cap", "cost cap"])
def test_a_used_up_budget_ends_after_the_step_with_a_validated_model(tmp_path: Path, cap: str) -> None:
    fitted = fit(make_plan(epochs=1000), tmp_path, Budget(0.0, cap))  # type: ignore[arg-type]
    assert fitted.stopped == cap
    assert fitted.steps == 1
    assert len(fitted.scores) == 1


def test_the_tighter_cap_counts() -> None:
    both = budget_of(time_cap_minutes=4, training_usd=0.1, price_per_hour=0.085)
    assert both == Budget(240, "time cap", clock_seconds=0.1 / 0.085 * 3600)
    # Four minutes on the wall of a loaded machine are not four minutes of work; money is paid by the wall.
    assert both.ended_by(Spent(clock=1_000, worked=239)) is None
    assert both.ended_by(Spent(clock=1_000, worked=240)) == "time cap"
    assert both.ended_by(Spent(clock=4_236, worked=100)) == "cost cap"
    assert both.less(Spent(clock=1_000, worked=100)).seconds == 140
    assert budget_of(time_cap_minutes=600, training_usd=0.1, price_per_hour=3.6) == Budget(100, "cost cap")
    assert budget_of(time_cap_minutes=4, training_usd=0.1, price_per_hour=0) == Budget(240, "time cap")


def breaks_in_bf16(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    factor = float("nan") if torch.is_autocast_enabled("cpu") else 1.0
    return loss(network, batch) * factor


def test_a_loss_that_is_not_finite_falls_back_to_fp32_and_says_so(tmp_path: Path) -> None:
    fitted = fit(make_plan(breaks_in_bf16, precision="bf16-mixed"), tmp_path, PLENTY)
    assert fitted.hardware.precision == "32-true"
    assert "not finite by step 2 in bf16-mixed, so trained again in 32-true" in fitted.hardware.reason
    assert same(fitted, fit(make_plan(), tmp_path / "fp32", PLENTY))


def test_a_loss_that_is_not_finite_in_fp32_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    def broken(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        return loss(network, batch) * float("inf")

    with pytest.raises(TrainingError, match=r"not finite by step 2, in fp32: lower model\.learning_rate \(now 0\.02\)"):
        fit(make_plan(broken), tmp_path, PLENTY)


def test_clipping_bounds_the_gradient_of_every_step(tmp_path: Path) -> None:
    norms: list[float] = []

    def note(optimizer: torch.optim.Optimizer, *_: object) -> None:
        gradients = [p.grad.flatten() for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))

    handle = register_optimizer_step_post_hook(note)
    try:
        fit(make_plan(clip=0.5), tmp_path / "clipped", PLENTY)
        clipped, norms = norms, []
        fit(make_plan(clip=0), tmp_path / "free", PLENTY)
    finally:
        handle.remove()
    assert len(clipped) == 24
    assert max(clipped) <= 0.5001 < max(norms)


def test_the_learning_rate_climbs_and_then_falls_to_zero() -> None:
    rate = LearningRate(TrainingOptions(warmup=0.1), steps=100)
    assert [rate(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate(55) == pytest.approx(0.5)
    assert rate(100) == pytest.approx(0.0)
    assert LearningRate(TrainingOptions(warmup=0, schedule="constant"), steps=100)(70) == 1.0


def test_batches_whose_gradients_are_summed_up_are_as_good_as_one_larger_batch(tmp_path: Path) -> None:
    small = fit(make_plan(network=make_plain_network, accumulate=2), tmp_path / "small", PLENTY)
    large = fit(make_plan(network=make_plain_network, batch_size=48), tmp_path / "large", PLENTY)
    assert small.steps == large.steps == 3 * 4
    for name, value in large.weights.items():
        torch.testing.assert_close(small.weights[name], value, rtol=1e-4, atol=1e-6)


def test_weight_averaging_scores_and_keeps_the_average(tmp_path: Path) -> None:
    steps: list[list[Tensor]] = []

    def note(optimizer: torch.optim.Optimizer, *_: object) -> None:
        steps.append([p.detach().clone() for group in optimizer.param_groups for p in group["params"]])

    handle = register_optimizer_step_post_hook(note)
    try:
        averaged = fit(make_plan(epochs=1, ema=0.9), tmp_path, PLENTY)
    finally:
        handle.remove()
    expected = steps[0]
    for later in steps[1:]:
        expected = [0.9 * mean + 0.1 * value for mean, value in zip(expected, later, strict=True)]
    for value, mean in zip(averaged.weights.values(), expected, strict=True):
        torch.testing.assert_close(value, mean)


def test_progress_is_reported_by_epoch(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    fit(make_plan(epochs=3), tmp_path, PLENTY, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_with_gloo_train_the_model_that_one_does(tmp_path: Path, strategy: str) -> None:
    one = fit(make_plan(network=make_plain_network), tmp_path / "one", PLENTY)
    two = fit(make_plan(network=make_plain_network, devices=2, strategy=strategy), tmp_path / "two", PLENTY)
    assert two.steps == one.steps
    for there, here in zip(two.curve, one.curve, strict=True):
        assert there.model_dump() == pytest.approx(here.model_dump(), rel=1e-3)
    for name, value in one.weights.items():
        torch.testing.assert_close(two.weights[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_shards_that_were_killed_go_on_and_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    def plan(used: Loss) -> Plan:
        return make_plan(used, network=make_plain_network, devices=2, strategy="fsdp")

    whole = fit(plan(loss), tmp_path / "whole", PLENTY)
    with pytest.raises(ProcessExitedException):
        fit(plan(KilledAt(12)), tmp_path / "killed", PLENTY)
    resumed = fit(plan(loss), tmp_path / "killed", PLENTY)
    assert resumed.resumed
    assert resumed.steps == whole.steps
    for name, value in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_compiled_network_trains_to_the_same_scores_and_keeps_its_names(tmp_path: Path) -> None:
    plan = make_plan(network=make_plain_network)
    compiled = replace(plan, hardware=plan.hardware.model_copy(update={"compile": True}))
    first, second = fit(plan, tmp_path / "eager", PLENTY), fit(compiled, tmp_path / "compiled", PLENTY)
    assert second.scores == pytest.approx(first.scores, rel=1e-4)
    assert first.weights.keys() == second.weights.keys()
