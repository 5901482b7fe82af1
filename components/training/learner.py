"""What is trained and how, as Lightning wants it: the plan of a fit, the module that takes its steps, the rate's path.

Lightning's own work for a step costs about 0.5 ms, a fifth of a small network's step: where a table's batches are at
hand anyway, one call takes several optimizer steps (``Plan.group``), by Lightning's manual optimization.
"""

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from components.training.batches import Batch, Groups, TableBatches
from components.training.hardware import Machine
from components.training.options import TrainingOptions
from components.training.results import HardwareChoice
from components.training.sharding import shard

TALKATIVE = ("lightning.pytorch", "lightning.fabric")


@dataclass(frozen=True)
class Task:
    """What is minimised, what is answered and how answers are scored; functions, so that any network fits."""

    # (network, batch) -> mean loss of the batch, a scalar.
    loss: Callable[[nn.Module, Batch], Tensor]
    # (network, batch) -> answers and targets, both [rows, ...], on any device, and the batch's mean loss, a scalar.
    answers: Callable[[nn.Module, Batch], tuple[Tensor, Tensor, Tensor]]
    # (answers, targets) of the whole validation split -> a score, higher is better.
    score: Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Plan:
    """Everything a fit needs to know; equal plans give equal weights on one machine."""

    # Makes the network with its first weights; called under the seed.
    network: Callable[[], nn.Module]
    task: Task
    training: TableBatches
    validation: TableBatches
    options: TrainingOptions
    hardware: HardwareChoice
    machine: Machine
    seed: int
    # Batches that Lightning hands over at a time.
    group_size: int = 16

    @property
    def steps(self) -> int:
        """Optimizer steps of a training that nothing stops."""
        return math.ceil(len(self.training) / self.options.accumulate) * self.options.epochs

    @property
    def group(self) -> int:
        """Batches handed over at a time: one where something else must see, or sum up, every backward pass."""
        if self.options.devices > 1 or self.options.ema is not None:
            return 1
        return self.group_size

    def __deepcopy__(self, memo: dict[int, Any]) -> "Plan":
        # Weight averaging copies the learner; the tables it points to need no second copy.
        return self


class Learner(lightning.LightningModule):
    """A network and its task as Lightning wants them; ``over`` says between steps that the budget is used up."""

    def __init__(self, plan: Plan, compiled: bool, over: Callable[[], bool]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = plan.network()
        self.plan = plan
        self.compiled = compiled
        self.over = over
        # In a tuple, so that the compiled twin is not registered as a second set of parameters.
        self._used = (self.network,)

    def setup(self, stage: str) -> None:
        if self.trainer.world_size > 1:  # a process of its own, which nobody has configured
            torch.set_num_threads(self.plan.hardware.threads)
            quieten()
        # Here and not in __init__, because a compiled network cannot be handed to another process.
        if self.compiled:
            compiled = torch.compile(self.network)
            assert isinstance(compiled, nn.Module), "a module compiles to a module"
            self._used = (compiled,)

    def training_step(self, group: Iterator[Batch], batch_idx: int) -> dict[str, Any]:
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer), "there is one optimizer"
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR), "and one schedule"
        accumulate, batches = self.plan.options.accumulate, len(self._batches)
        total, taken = torch.zeros((), device=self.device), 0
        for number, batch in enumerate(group, batch_idx * self.plan.group + 1):
            loss = self.plan.task.loss(self._used[0], batch)
            self.manual_backward(loss / accumulate)
            total += loss.detach()
            taken += 1
            if number % accumulate == 0 or number == batches:
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                # Autocast keeps the weights' bf16 copies for as long as this call lasts; they are old now.
                torch.clear_autocast_cache()
                if self.over():
                    break
        return {"loss": total, "batches": taken}

    def validation_step(self, batch: Batch, batch_idx: int) -> Any:
        return self.plan.task.answers(self._used[0], batch)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Gradients are unscaled by now, which fp16 needs.
        if self.plan.options.clip:
            nn.utils.clip_grad_norm_(self._parameters_list, self.plan.options.clip)

    def train_dataloader(self) -> Groups:
        # Each process cuts its own share.
        self._batches = self.plan.training.shard(self.trainer.global_rank, self.trainer.world_size)
        return Groups(self._batches, self.plan.group)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        if isinstance(batch, Iterator):  # a group, whose batches go there as they are asked for
            return (_moved(one, device) for one in batch)
        return _moved(batch, device)

    def on_train_start(self) -> None:
        # Also here, because an epoch that is resumed in its middle does not start.
        self._batches.epoch = self.current_epoch

    def on_train_epoch_start(self) -> None:
        self._batches.epoch = self.current_epoch

    def val_dataloader(self) -> TableBatches:
        # Whole in every process: the score needs every row, and processes with unequal shares would wait.
        return self.plan.validation

    def configure_optimizers(self) -> Any:
        options = self.plan.options
        self._parameters_list = list(self.network.parameters())
        # The fused kernel undoes the loss scaling of fp16 itself, too late for gradients to be clipped.
        fused = self.trainer.precision != "16-mixed"
        optimizer = torch.optim.AdamW(
            self._parameters_list, lr=options.learning_rate, weight_decay=options.weight_decay, fused=fused
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, LearningRate(options, self.plan.steps))
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def _moved(batch: Batch, device: torch.device) -> Batch:
    return tuple(tensor.to(device, non_blocking=True) for tensor in batch)


class ShardedLearner(Learner):
    """A learner of which each process holds a share; apart, because averaging warns of any model that can be shared."""

    def configure_model(self) -> None:
        assert self.device_mesh is not None, "the strategy of FSDP makes one"
        shard(self.network, self.device_mesh["data_parallel"])


class LearningRate:
    """The learning rate's factor at a step: linear warm-up, then a half cosine to zero, or constant."""

    def __init__(self, options: TrainingOptions, steps: int) -> None:
        self.warmup = max(1, round(options.warmup * steps))
        self.steps = steps
        self.cosine = options.schedule == "cosine"

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        if not self.cosine:
            return 1.0
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def quieten() -> None:
    """Keep Lightning from talking, in this process."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    # lightning 2.6 uses what torch 2.13 deprecates, at every batch.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    # torch.compile uses what torch itself deprecates.
    warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
