"""Callbacks that keep a training honest: best weights, learning curve, caps, patience, finite losses."""

from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from components.training.options import TrainingOptions
from components.training.results import Stopped
from components.training.sharding import whole
from components.training.spending import Budget, Meter, Spent


class NotFinite(Exception):
    """A loss that is NaN or infinite; the engine answers with a safer precision."""


class FiniteLoss(Callback):
    """Raise NotFinite when a loss was NaN or infinite; on a GPU and with several processes a look every few steps."""

    every = 25

    def __init__(self) -> None:
        self._total: Tensor | None = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"].detach()
        # A sum stays NaN or infinite once a part was.
        self._total = loss if self._total is None else self._total + loss
        cheap = loss.device.type == "cpu" and trainer.world_size == 1
        if cheap or (batch_idx + 1) % self.every == 0:
            self._check(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._check(trainer)

    def _check(self, trainer: lightning.Trainer) -> None:
        broken = self._total is not None and not bool(torch.isfinite(self._total))
        self._total = None
        # One process that raises alone would leave the others waiting for its gradients.
        if trainer.world_size > 1:
            broken = trainer.strategy.reduce_boolean_decision(broken, all=False)
        if broken:
            raise NotFinite(f"the loss was not finite by step {trainer.global_step}")


class Stop(Callback):
    """End training after the step in which the budget is used up; what earlier, killed runs took counts.

    ``threads`` share the work that the time cap counts; None where a card does it.
    """

    def __init__(self, budget: Budget, steps: int, threads: int | None = None) -> None:
        self.budget = budget
        self.steps = steps
        self.before = Spent(0.0, 0.0)
        self.reason: Stopped | None = None
        self._meter = Meter(threads)

    @property
    def spent(self) -> Spent:
        """What training took so far, earlier runs included."""
        now = self._meter.spent()
        return Spent(self.before.clock + now.clock, self.before.worked + now.worked)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        # A checkpoint of a training that had stopped: there is nothing left to do.
        trainer.should_stop = trainer.should_stop or self.reason is not None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        over = self.over()
        if trainer.world_size > 1:
            over = trainer.strategy.reduce_boolean_decision(over, all=False)
        if over and trainer.global_step < self.steps:
            # With several processes another one may have come to the end of it.
            self.end(trainer, self.budget.ended_by(self.spent) or self.budget.cap)

    def over(self) -> bool:
        """Say whether the budget is used up."""
        return self.budget.ended_by(self.spent) is not None

    def end(self, trainer: lightning.Trainer, reason: Stopped) -> None:
        """Make the step that runs the last one; validation and the checkpoint still follow."""
        trainer.should_stop = True
        self.reason = self.reason or reason

    def state_dict(self) -> dict[str, Any]:
        spent = self.spent
        return {"spent": spent.clock, "worked": spent.worked, "reason": self.reason}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        clock = float(state_dict["spent"])
        self.before = Spent(clock, float(state_dict.get("worked", clock)))
        self.reason = state_dict["reason"]


class Keeper(Callback):
    """Scores each validation, keeps the best weights and what each epoch lost; before a callback that averages weights.

    That one shows the average during validation and puts the last weights back when validation ends.
    """

    def __init__(
        self,
        score: Callable[[Tensor, Tensor], float],
        options: TrainingOptions,
        stop: Stop,
        watch: Callable[[int, float], None],
    ) -> None:
        self._score = score
        self._watch = watch
        self._options = options
        self._stop = stop
        self._kept: dict[str, Any] = {"best": None, "best_score": float("-inf"), "scores": [], "losses": []}
        self._answers: list[tuple[Tensor, Tensor, Tensor]] = []
        # Of the batches of this epoch so far.
        self._lost: Tensor | float = 0.0
        self._batches = 0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._lost = outputs["loss"] + self._lost
        self._batches += outputs["batches"]

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        answers, targets, loss = outputs
        lost = loss.detach().float().cpu() * len(targets)
        self._answers.append((answers.detach().float().cpu(), targets.detach().cpu(), lost.reshape(1)))

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        answers, targets, lost = (torch.cat(parts) for parts in zip(*self._answers, strict=True))
        self._answers = []
        if not bool(torch.isfinite(answers).all()):
            raise NotFinite(f"answers were not finite at step {trainer.global_step}")
        score = self._score(answers, targets)
        scores = [*self._kept["scores"], score]
        self._kept["scores"] = scores
        self._kept["losses"] = [*self._kept["losses"], (self._training_loss(trainer), float(lost.sum()) / len(targets))]
        if score > self._kept["best_score"]:
            network = pl_module.network
            assert isinstance(network, torch.nn.Module), "a learner has a network"
            weights = {name: whole(value.detach()).cpu().clone() for name, value in network.state_dict().items()}
            self._kept |= {"best": weights, "best_score": score}
        since = len(scores) - 1 - scores.index(self._kept["best_score"])
        if since >= self._options.patience and len(scores) < self._options.epochs:
            self._stop.end(trainer, "early stopping")
        self._watch(len(scores), score)

    def _training_loss(self, trainer: lightning.Trainer) -> float:
        """Return the mean loss of the epoch's batches, over all processes, and begin the next epoch."""
        mean = torch.as_tensor(self._lost) / max(1, self._batches)
        if trainer.world_size > 1:
            mean = trainer.strategy.reduce(mean, reduce_op="mean")
        self._lost, self._batches = 0.0, 0
        return float(mean)

    def state_dict(self) -> dict[str, Any]:
        return self._kept | {"lost": float(self._lost), "batches": self._batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._kept = dict(state_dict)
        self._lost, self._batches = self._kept.pop("lost"), self._kept.pop("batches")
