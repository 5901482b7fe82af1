"""One file from which a killed training goes on: what is in it, when it is written, and that it is always whole."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.types import _PATH
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from components.artefacts.storage import write_atomically
from components.training.options import TrainingOptions


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints beside their final name and renames them.

    Lightning's own way leads through the system's folder for temporary files. Where that is another file system than
    the training's, what looks like a move is a copy, and a kill during it leaves half a checkpoint in the place of the
    last whole one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getbuffer())


class Checkpoints(Callback):
    """Writes one file from which all of it continues: after each epoch and now and then within one; must come last."""

    def __init__(self, path: Path, options: TrainingOptions, group: int, report: Callable[[int, int], None]) -> None:
        self._path = path
        self._group = group
        self._options = options
        self._report = report
        self._random: dict[str, Tensor] | None = None
        self._written = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self._random is not None:
            _set_random_state(self._random)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        last = batch_idx + 1 >= trainer.num_training_batches
        whole = (batch_idx + 1) * self._group % self._options.accumulate == 0
        if last or not whole:  # a validation follows, or gradients of an unfinished step would be lost
            return
        due = time.monotonic() - self._written > self._options.checkpoint_minutes * 60
        if trainer.world_size > 1:
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        if due:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._write(trainer)
        self._report(trainer.current_epoch + 1, self._options.epochs)

    def _write(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self._path, weights_only=False)
        self._written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"random": _random_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._random = state_dict["random"]


def _random_state() -> dict[str, Tensor]:
    """Return the state of the random generators that a step draws from, the card's (dropout) among them."""
    card = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {}  # type: ignore[no-untyped-call]
    return {"cpu": torch.get_rng_state(), **card}


def _set_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
