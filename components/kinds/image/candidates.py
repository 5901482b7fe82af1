"""The candidates of an image workload, a linear probe and a network: how each learns and is exported."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from components.catalog import kind_options
from components.data.results import Prepared
from components.declaration.targets import target_of
from components.evaluation.hold_out import check_finite
from components.kinds.image.data import Pictures, read_pictures
from components.kinds.image.inference import PIXELS
from components.kinds.image.mistakes import FILE, worst_mistakes
from components.kinds.image.model import (
    Answering,
    Convolutional,
    Probe,
    augmented,
    loss_of,
    probabilities,
    statistics,
)
from components.kinds.image.options import ImageOptions
from components.progress import Progress
from components.selection.candidates import Entry, Run, train_candidates
from components.selection.keeping import ANSWERED, Learnt
from components.selection.validation import Validation, validation_of
from components.settings import Settings
from components.training.batches import Batch, TableBatches
from components.training.compile_probe import remembered_choice
from components.training.engine import fit
from components.training.hardware import choose_hardware, probe_machine
from components.training.learner import Plan, Task
from components.training.onnx_export import export_network, finished
from components.training.part import TrainingPart
from components.training.results import Trained
from components.training.spending import budget_of
from data_contracts.description.spec import ContractSpec

Make = Callable[[tuple[Tensor, Tensor], ImageOptions, int], nn.Module]
ROWS_AT_ONCE = 512
# A linear layer needs no more to be as good as it gets.
PROBE_EPOCHS = 10


@dataclass(frozen=True)
class Work:
    """What all candidates share."""

    pictures: dict[str, Pictures]
    options: ImageOptions
    contract: ContractSpec
    validation: Validation
    # Mean and deviation of each channel.
    normal: tuple[Tensor, Tensor]

    @property
    def columns(self) -> int:
        """Logits a picture."""
        return 1 if target_of(self.contract) == "binary" else len(self.contract.label.allowed)


def open_work(prepared: Prepared, workload: TrainingPart, contract: ContractSpec) -> Work:
    """Read what all candidates share."""
    options = kind_options(workload)
    assert isinstance(options, ImageOptions), "the image kind declares ImageOptions"
    pictures = {name: read_pictures(prepared.splits[name], options, contract) for name in ("train", *ANSWERED)}
    normal = statistics(pictures["train"].pixels)
    return Work(pictures, options, contract, validation_of(prepared, workload, contract), normal)


def entries_of(work: Work, settings: Settings) -> tuple[Entry, ...]:
    """Return the candidates, what is cheaper to serve first."""
    plain = {"epochs": min(PROBE_EPOCHS, work.options.epochs), "shift": 0, "flip": False, "ema": None}
    probing = replace(work, options=work.options.model_copy(update=plain))
    return (
        Entry("linear", "baseline", partial(_learnt, probing, Probe, settings)),
        Entry("network", "challenger", partial(_learnt, work, Convolutional, settings)),
    )


def train_all(
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train every candidate under ``folder`` and choose by the goal's metric on validation."""
    work = open_work(prepared, workload, contract)
    options = work.options.model_dump(mode="json", exclude={"search"})
    budget = budget_of(work.options.time_cap_minutes, workload.goal.training_usd, settings.price_per_hour)
    entries = entries_of(work, settings)
    return train_candidates(entries, work.validation, budget, folder, settings, progress, options=options)


def network_plan(work: Work, make: Make, settings: Settings) -> Plan:
    """Return the plan of a network's fit on this machine, before anything is measured."""
    machine, options = probe_machine(), work.options
    train, validation = work.pictures["train"], work.pictures["validation"]
    return Plan(
        network=partial(make, work.normal, options, work.columns),
        task=Task(partial(_loss, options), _answers, partial(_signed_score, work.validation)),
        training=TableBatches((train.pixels, train.labels), options.batch_size, seed=work.validation.seed),
        validation=TableBatches((validation.pixels, validation.labels), ROWS_AT_ONCE),
        options=options,
        hardware=choose_hardware(machine, precision=options.precision, threads=settings.threads),
        machine=machine,
        seed=work.validation.seed,
    )


def _learnt(work: Work, make: Make, settings: Settings, run: Run) -> Learnt:
    plan = remembered_choice(network_plan(work, make, settings), run.folder)
    fitted = fit(plan, run.folder, run.budget, run.report)
    network = make(work.normal, work.options, work.columns)
    network.load_state_dict(fitted.weights)
    network.eval()
    logits = {split: logits_of(network, work.pictures[split]) for split in ANSWERED}
    for split, given in logits.items():
        check_finite(given.numpy(), run.folder.name, split)
    pictures = work.pictures["validation"]
    temperature = fitted_temperature(logits["validation"], pictures.labels)
    output = "probability" if work.columns == 1 else "probabilities"
    graph = export_network(Answering(network, temperature), (pictures.pixels[:2],), (PIXELS,), (output,))
    answers = {split: probabilities(given / temperature).numpy() for split, given in logits.items()}
    return Learnt(
        graph=finished(graph),
        answers=answers,
        seconds=fitted.seconds,
        stopped=fitted.stopped,
        curve=fitted.curve,
        hardware=fitted.hardware,
        assets={FILE: _mistakes(work, answers["validation"])},
    )


@torch.inference_mode()
def logits_of(network: nn.Module, pictures: Pictures) -> Tensor:
    """Return a network's logits in fp32, [rows, columns]: what the exported graph computes."""
    parts = [network(pictures.pixels[at : at + ROWS_AT_ONCE]) for at in range(0, len(pictures), ROWS_AT_ONCE)]
    return torch.cat(parts).float()


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return what logits are divided by so that their log-loss is smallest (Guo et al. 2017)."""
    found = minimize_scalar(lambda log: float(loss_of(logits / float(np.exp(log)), labels)), bounds=(-3, 3))
    return round(float(np.exp(found.x)), 6)


def _mistakes(work: Work, answers: NDArray[np.float32]) -> bytes:
    pictures, label = work.pictures["validation"], work.contract.label
    names = tuple(map(str, label.allowed)) or ("no", "yes")
    each = answers if len(names) == answers.shape[1] else np.concatenate([1 - answers, answers], axis=1)
    return worst_mistakes(pictures.pixels.numpy(), pictures.labels.numpy(), each, names)


def _loss(options: ImageOptions, network: nn.Module, batch: Batch) -> Tensor:
    pixels, labels = batch
    return loss_of(network(augmented(pixels, options)), labels)


def _answers(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    pixels, labels = batch
    logits = network(pixels).float()
    return probabilities(logits), labels, loss_of(logits, labels)


def _signed_score(validation: Validation, answers: Tensor, targets: Tensor) -> float:
    return validation.sign * validation.score(answers.numpy(), targets.numpy())
