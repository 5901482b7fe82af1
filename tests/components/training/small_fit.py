"""A small network and task for tests of the training engine; in a module of its own, for other processes to import."""

import os
import signal
from collections.abc import Callable

import torch
from torch import Tensor, nn

from components.training.batches import TableBatches
from components.training.hardware import Machine
from components.training.learner import Plan, Task
from components.training.options import TrainingOptions
from components.training.results import HardwareChoice

Loss = Callable[[nn.Module, tuple[Tensor, ...]], Tensor]


def make_network() -> nn.Module:
    # Dropout, so that a resumed training needs the state of the random generator.
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))


def make_plain_network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    return nn.functional.mse_loss(network(batch[0]), batch[1])


def answers(network: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    given = network(batch[0])
    return given, batch[1], nn.functional.mse_loss(given, batch[1])


def score(given: Tensor, targets: Tensor) -> float:
    return -float(nn.functional.mse_loss(given, targets))


class KilledAt:
    """A loss that kills its process, as kill -9 does, when it is asked for the ``step``-th time."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(network, batch)


def make_plan(
    used: Loss = loss,
    *,
    network: Callable[[], nn.Module] = make_network,
    precision: str = "32-true",
    seed: int = 1,
    **options: object,
) -> Plan:
    """Return a plan of 8 batches an epoch; keyword arguments are training options."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 4, generator=generator)
    targets = inputs[:, :1] * 2 - inputs[:, 1:2] * inputs[:, 2:3] + 1
    given = {"epochs": 3, "batch_size": 24, "learning_rate": 0.02} | options
    return Plan(
        network=network,
        task=Task(used, answers, score),
        training=TableBatches((inputs[:192], targets[:192]), given["batch_size"], seed=seed),  # type: ignore[arg-type]
        validation=TableBatches((inputs[192:], targets[192:]), 64),
        options=TrainingOptions.model_validate(given),
        hardware=HardwareChoice(device="cpu", precision=precision, compile=False, threads=1, reason="a test"),  # type: ignore[arg-type]
        machine=Machine(processor="test", cores=1, memory_gb=1.0),
        seed=seed,
        group_size=2,
    )
