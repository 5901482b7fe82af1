"""The training engine: one Lightning fit with everything around it that a long run needs, the same for every kind.

A kind brings a network, a ``Task`` (loss, answers, score) and batches; the engine brings precision with a fallback when
the loss is not finite, clipping, accumulation, the schedule, averaging, early stopping, caps, checkpoints and resuming.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks.weight_averaging import EMAWeightAveraging
from torch import Tensor, nn

from components.batches import Batch, TableBatches
from components.errors import TrainingError
from components.hardware import Machine, safer_precision
from components.model_results import HardwareChoice, Stopped
from components.storage import write_atomically
from components.training_guards import Budget, FiniteLoss, Keeper, NotFinite, Stop
from components.training_options import TrainingOptions

# (epochs done, epochs in all)
Report = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Task:
    """What is minimised, what is answered and how answers are scored; functions, so that any network fits."""

    # (network, batch) -> mean loss of the batch, a scalar.
    loss: Callable[[nn.Module, Batch], Tensor]
    # (network, batch) -> answers and targets, both [rows, ...], on any device.
    answers: Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
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

    @property
    def steps(self) -> int:
        """Optimizer steps of a training that nothing stops."""
        return math.ceil(len(self.training) / self.options.accumulate) * self.options.epochs

    def __deepcopy__(self, memo: dict[int, Any]) -> "Plan":
        # Weight averaging copies the learner; the tables it points to need no second copy.
        return self


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves: the best weights by validation score and how it went."""

    weights: dict[str, Tensor]
    score: float
    scores: tuple[float, ...]
    epochs: int
    steps: int
    seconds: float
    stopped: Stopped
    hardware: HardwareChoice
    resumed: bool


class Learner(lightning.LightningModule):
    """A network and its task as Lightning wants them."""

    def __init__(self, plan: Plan, compiled: bool) -> None:
        super().__init__()
        self.network = plan.network()
        self.plan = plan
        self.compiled = compiled
        # In a tuple, so that the compiled twin is not registered as a second set of parameters.
        self._used = (self.network,)

    def setup(self, stage: str) -> None:
        # Here and not in __init__, because a compiled network cannot be handed to another process.
        if self.compiled:
            compiled = torch.compile(self.network)
            assert isinstance(compiled, nn.Module), "a module compiles to a module"
            self._used = (compiled,)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.plan.task.loss(self._used[0], batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> Any:
        return self.plan.task.answers(self._used[0], batch)

    def train_dataloader(self) -> TableBatches:
        # Each process cuts its own share.
        self._batches = self.plan.training.shard(self.trainer.global_rank, self.trainer.world_size)
        return self._batches

    def on_train_start(self) -> None:
        # Also here, because an epoch that is resumed in its middle does not start.
        self._batches.epoch = self.current_epoch

    def on_train_epoch_start(self) -> None:
        self._batches.epoch = self.current_epoch

    def val_dataloader(self) -> TableBatches:
        # Whole in every process: the score needs every row, and processes with unequal shares would wait.
        return self.plan.validation

    def configure_gradient_clipping(self, *_: Any, gradient_clip_val: Any = None, **__: Any) -> None:
        # Lightning refuses a fused optimizer here under bf16 too, which scales nothing.
        if self.plan.options.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.options.clip)

    def configure_optimizers(self) -> Any:
        options = self.plan.options
        parameters = self.network.parameters()
        # The fused kernel undoes the loss scaling of fp16 itself, too late for gradients to be clipped.
        fused = self.trainer.precision != "16-mixed"
        optimizer = torch.optim.AdamW(
            parameters, lr=options.learning_rate, weight_decay=options.weight_decay, fused=fused
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _Rate(options, self.plan.steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Rate:
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


def fit(plan: Plan, folder: Path, budget: Budget, report: Report = _silent) -> Fitted:
    """Train until the epochs, the patience or the budget is used up; called again on ``folder``, go on where it was.

    Raises TrainingError if the loss is not finite even in fp32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    hardware = plan.hardware
    while True:
        # Left behind by a try whose loss was not finite, so that a killed and restarted training skips it.
        broken = folder / f"not-finite-{hardware.precision}.txt"
        if not broken.exists():
            try:
                return _fit_once(plan, hardware, folder, budget.less(time.monotonic() - started), report)
            except NotFinite as error:
                write_atomically(broken, str(error).encode())
        hardware = _fall_back(plan, hardware, broken.read_text())


def _fall_back(plan: Plan, hardware: HardwareChoice, message: str) -> HardwareChoice:
    safer = safer_precision(hardware.precision, plan.machine, hardware.device)
    if safer is None:
        raise TrainingError(
            f"{message}, in fp32: lower model.learning_rate (now {plan.options.learning_rate:g}) or model.clip (now "
            f"{plan.options.clip:g}), or look for extreme numbers in the training split"
        )
    reason = f"{hardware.reason}; {message} in {hardware.precision}, so trained again in {safer}"
    return hardware.model_copy(update={"precision": safer, "reason": reason})


def _fit_once(plan: Plan, hardware: HardwareChoice, folder: Path, budget: Budget, report: Report) -> Fitted:
    options = plan.options
    checkpoint = folder / f"last-{hardware.precision}.ckpt"
    resumed = checkpoint.is_file()
    stop = Stop(budget)
    with _configured(hardware), torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        learner = Learner(plan, hardware.compile)
        # A spawned process cannot be handed a report that is a closure.
        keeper = Keeper(plan.task.score, checkpoint, options, stop, report if options.devices == 1 else _silent)
        trainer = lightning.Trainer(
            accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[hardware.device],
            devices=options.devices,
            strategy=_strategy(options),
            precision=hardware.precision,
            max_epochs=options.epochs,
            accumulate_grad_batches=options.accumulate,
            callbacks=_callbacks(keeper, stop, options),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
        trainer.fit(learner, ckpt_path=checkpoint if resumed else None, weights_only=False)
    return _read_fitted(checkpoint, keeper.state_key, stop.state_key, hardware, resumed)


def _read_fitted(path: Path, keeper: str, stop: str, hardware: HardwareChoice, resumed: bool) -> Fitted:
    # From the file, because with several processes the callbacks that know lived in another one.
    saved = torch.load(path, map_location="cpu", weights_only=False)
    kept, ended = saved["callbacks"][keeper], saved["callbacks"][stop]
    return Fitted(
        weights=kept["best"],
        score=kept["best_score"],
        scores=tuple(kept["scores"]),
        epochs=len(kept["scores"]),
        steps=saved["global_step"],
        seconds=ended["spent"],
        stopped=ended["reason"] or "finished",
        hardware=hardware,
        resumed=resumed,
    )


def _strategy(options: TrainingOptions) -> str:
    if options.devices == 1 or options.strategy == "auto":
        return "auto" if options.devices == 1 else "ddp_spawn"
    # Under torchrun the processes are there already; otherwise they are spawned, for a flow is no script to run again.
    if options.strategy == "ddp":
        return "ddp" if torch.distributed.is_torchelastic_launched() else "ddp_spawn"
    return options.strategy


def _callbacks(keeper: Keeper, stop: Stop, options: TrainingOptions) -> list[Callback]:
    # The keeper scores before the averaging callback puts the raw weights back.
    averaging: list[Callback] = []
    if options.ema is not None:
        averaging.append(EMAWeightAveraging(decay=options.ema))
    return [FiniteLoss(), stop, keeper, *averaging]


@contextmanager
def _configured(hardware: HardwareChoice) -> Iterator[None]:
    """Set what PyTorch and Lightning keep in globals, and put it back: threads, TF32, and Lightning's talk."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    torch.set_num_threads(hardware.threads)
    if hardware.device == "cuda" and hardware.precision != "32-true":
        torch.set_float32_matmul_precision("high")
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # lightning 2.6 uses what torch 2.13 deprecates, at every batch.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
