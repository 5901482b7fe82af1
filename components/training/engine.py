"""The training engine: one Lightning fit with everything around it that a long run needs, the same for every kind.

A kind brings a ``Plan`` (network, task, batches); the engine brings precision with a fallback when
the loss is not finite, clipping, accumulation, the schedule, averaging, early stopping, caps, checkpoints and resuming.
"""

import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks.weight_averaging import EMAWeightAveraging
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from components.artefacts.errors import TrainingError
from components.artefacts.storage import write_atomically
from components.training.checkpoints import Checkpoints, WholeFiles
from components.training.guards import FiniteLoss, Keeper, NotFinite, Stop
from components.training.hardware import safer_precision
from components.training.learner import TALKATIVE, Learner, Plan, ShardedLearner, quieten
from components.training.options import TrainingOptions
from components.training.precision import precision_arguments
from components.training.results import Epoch, HardwareChoice, Stopped
from components.training.sharding import SpawnedShards
from components.training.spending import Budget, Meter

# (epochs done, epochs in all)
Report = Callable[[int, int], None]
# (epoch, score)
Watch = Callable[[int, float], None]


def _silent(done: int, total: int) -> None:
    pass


def _indifferent(epoch: int, score: float) -> None:
    pass


def _never() -> bool:
    # Processes agree on an end between calls.
    return False


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves: the best weights by validation score and how it went."""

    weights: dict[str, Tensor]
    score: float
    curve: tuple[Epoch, ...]
    epochs: int
    steps: int
    seconds: float
    stopped: Stopped
    hardware: HardwareChoice
    resumed: bool

    @property
    def scores(self) -> tuple[float, ...]:
        """The score of each epoch."""
        return tuple(epoch.score for epoch in self.curve)


def fit(plan: Plan, folder: Path, budget: Budget, report: Report = _silent, watch: Watch = _indifferent) -> Fitted:
    """Train until the epochs, the patience or the budget is used up; called again on ``folder``, go on where it was.

    ``watch`` is told each epoch's score and may raise, which ends the training there (not with several processes).
    Raises TrainingError if the loss is not finite even in fp32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    meter = Meter(_sharing(plan.hardware))
    hardware = plan.hardware
    while True:
        # Left behind by a try whose loss was not finite, so that a killed and restarted training skips it.
        broken = folder / f"not-finite-{hardware.precision}.txt"
        if not broken.exists():
            try:
                return _fit_once(plan, hardware, folder, budget.less(meter.spent()), report, watch)
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


def _fit_once(
    plan: Plan, hardware: HardwareChoice, folder: Path, budget: Budget, report: Report, watch: Watch
) -> Fitted:
    options = plan.options
    checkpoint = folder / f"last-{hardware.precision}.ckpt"
    resumed = checkpoint.is_file()
    stop = Stop(budget, plan.steps, _sharing(hardware))
    with _configured(hardware), torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        kind = ShardedLearner if options.devices > 1 and options.strategy == "fsdp" else Learner
        learner = kind(plan, hardware.compile, stop.over if options.devices == 1 else _never)
        keeper = Keeper(plan.task.score, options, stop, watch if options.devices == 1 else _indifferent)
        # A spawned process cannot be handed a report that is a closure.
        checkpoints = Checkpoints(checkpoint, options, plan.group, report if options.devices == 1 else _silent)
        plugins, precision = precision_arguments(hardware)
        trainer = lightning.Trainer(
            accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[hardware.device],
            devices=options.devices,
            strategy=_strategy(options),
            **precision,
            plugins=[*plugins, WholeFiles()],
            max_epochs=options.epochs,
            callbacks=[FiniteLoss(), stop, keeper, *_averaging(options), checkpoints],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
        with _interruptible():
            trainer.fit(learner, ckpt_path=checkpoint if resumed else None, weights_only=True)
    return _read_fitted(checkpoint, keeper.state_key, stop.state_key, hardware, resumed)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a Ctrl-C out as what it is: Lightning makes an exit with code 1 of it, and has the next one ignored.

    A SIGTERM goes on to whoever listened before, once Lightning has put its house in order.
    """
    before, before_term = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SIGTERMException:
        signal.signal(signal.SIGTERM, before_term)
        signal.raise_signal(signal.SIGTERM)
        raise
    except SystemExit as ended:
        if not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, before)
        raise ended.__context__ from None


def _read_fitted(path: Path, keeper: str, stop: str, hardware: HardwareChoice, resumed: bool) -> Fitted:
    # From the file, because with several processes the callbacks that know lived in another one.
    saved = torch.load(path, map_location="cpu", weights_only=True)
    kept, ended = saved["callbacks"][keeper], saved["callbacks"][stop]
    return Fitted(
        weights=kept["best"],
        score=kept["best_score"],
        curve=tuple(
            Epoch(training_loss=training, validation_loss=validation, score=score)
            for (training, validation), score in zip(kept["losses"], kept["scores"], strict=True)
        ),
        epochs=len(kept["scores"]),
        steps=saved["global_step"],
        seconds=ended["spent"],
        stopped=ended["reason"] or "finished",
        hardware=hardware,
        resumed=resumed,
    )


def _sharing(hardware: HardwareChoice) -> int | None:
    return hardware.threads if hardware.device == "cpu" else None


def _strategy(options: TrainingOptions) -> str | Strategy:
    if options.devices == 1 or options.strategy == "auto":
        return "auto" if options.devices == 1 else "ddp_spawn"
    # Under torchrun the processes are there already; otherwise they are spawned, for a flow is no script to run again.
    if options.strategy == "ddp":
        return "ddp" if torch.distributed.is_torchelastic_launched() else "ddp_spawn"
    return SpawnedShards(options.devices)


def _averaging(options: TrainingOptions) -> list[Callback]:
    return [] if options.ema is None else [EMAWeightAveraging(decay=options.ema)]


@contextmanager
def _configured(hardware: HardwareChoice) -> Iterator[None]:
    """Set what PyTorch and Lightning keep in globals, and put it back: threads, TF32, and Lightning's talk."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    levels = {name: logging.getLogger(name).level for name in TALKATIVE}
    torch.set_num_threads(hardware.threads)
    if hardware.device == "cuda" and hardware.precision != "32-true":
        torch.set_float32_matmul_precision("high")
    try:
        with warnings.catch_warnings():
            quieten()
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
