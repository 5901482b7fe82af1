"""Train the candidates of an image workload, a linear probe and a network, export each, and choose."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from components.artefacts.storage import digest_json, write_atomically
from components.kinds.image.keeping import (
    NETWORK,
    RESAMPLES,
    ROWS_AT_ONCE,
    Work,
    difference,
    keep,
    kept_candidate,
)
from components.kinds.image.model import Convolutional, Probe, augmented, loss_of, probabilities
from components.kinds.image.options import ImageOptions
from components.settings import Settings
from components.training.batches import Batch, TableBatches
from components.training.compile_probe import choose_compile
from components.training.engine import Fitted, Report, fit
from components.training.hardware import choose_hardware, probe_machine
from components.training.learner import Plan, Task
from components.training.results import Candidate, Comparison, HardwareChoice, Trained
from components.training.spending import Budget, Meter, budget_of

Make = Callable[[tuple[Tensor, Tensor], ImageOptions, int], nn.Module]
# A linear layer needs no more to be as good as it gets.
PROBE_EPOCHS = 10


def train_candidates(work: Work, settings: Settings, progress: Callable[[str, int, int], None]) -> Trained:
    """Train the linear probe and the network, and choose by the goal's metric on validation."""
    started, options = time.monotonic(), work.options
    budget = budget_of(options.time_cap_minutes, work.workload.goal.training_usd, settings.price_per_hour)
    meter = Meter(settings.threads or torch.get_num_threads())
    probe_options = options.model_copy(
        update={"epochs": min(PROBE_EPOCHS, options.epochs), "shift": 0, "flip": False, "ema": None}
    )
    probe, _ = _trained(replace(work, options=probe_options), "linear", Probe, settings, budget, progress)
    rest = budget.less(meter.spent())
    network, fitted = _trained(work, NETWORK, Convolutional, settings, rest, progress)
    candidates = (probe, network)
    chosen, other = _choose(probe, network, work)
    found = difference(work, chosen, other)
    seconds = max(time.monotonic() - started, sum(one.seconds for one in candidates))
    return Trained(
        digest=digest_json({"candidates": {one.name: one.digest for one in candidates}, "chosen": chosen.name}),
        stored=work.folder,
        candidates=candidates,
        chosen=chosen.name,
        stored_search=None,
        comparison=Comparison(
            metric=work.workload.goal.metric,
            chosen=chosen.name,
            other=other.name,
            difference=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            resamples=RESAMPLES,
        ),
        hardware=fitted.hardware,
        stopped=fitted.stopped,
        epochs=fitted.epochs,
        curve=fitted.curve,
        options=options.model_dump(mode="json", exclude={"search"}),
        seconds=round(seconds, 3),
        cost_usd=round(seconds / 3600 * settings.price_per_hour, 6),
        seed=work.workload.seed,
    )


def network_plan(work: Work, make: Make, settings: Settings) -> Plan:
    """Return the plan of a network's fit on this machine, before anything is measured."""
    machine, options = probe_machine(), work.options
    train, validation = work.pictures["train"], work.pictures["validation"]
    return Plan(
        network=partial(make, work.normal, options, work.columns),
        task=Task(partial(_loss, options), _answers, partial(_signed_score, work)),
        training=TableBatches((train.pixels, train.labels), options.batch_size, seed=work.workload.seed),
        validation=TableBatches((validation.pixels, validation.labels), ROWS_AT_ONCE),
        options=options,
        hardware=choose_hardware(machine, precision=options.precision, threads=settings.threads),
        machine=machine,
        seed=work.workload.seed,
    )


def _trained(
    work: Work, name: str, make: Make, settings: Settings, budget: Budget, progress: Callable[[str, int, int], None]
) -> tuple[Candidate, Fitted]:
    plan = network_plan(work, make, settings)
    plan = replace(plan, hardware=_remembered(work, name, partial(choose_compile, plan)))
    report: Report = partial(progress, name)
    # Of a candidate that is kept already this reads what it left behind.
    fitted = fit(plan, work.folder / name, budget, report)
    if (known := kept_candidate(work, name)) is not None:
        return known, fitted
    network = make(work.normal, work.options, work.columns)
    network.load_state_dict(fitted.weights)
    return keep(work, name, network, fitted.seconds, fitted.stopped if "cap" in fitted.stopped else ""), fitted


def _remembered(work: Work, name: str, choose: Callable[[], HardwareChoice]) -> HardwareChoice:
    """Return a choice that was made before for this folder: a training that goes on must not change its arithmetic."""
    path = work.folder / f"hardware-{name}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, choose().model_dump_json(indent=2).encode())
    return HardwareChoice.model_validate_json(path.read_bytes())


def _loss(options: ImageOptions, network: nn.Module, batch: Batch) -> Tensor:
    pixels, labels = batch
    return loss_of(network(augmented(pixels, options)), labels)


def _answers(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    pixels, labels = batch
    logits = network(pixels).float()
    return probabilities(logits), labels, loss_of(logits, labels)


def _signed_score(work: Work, answers: Tensor, targets: Tensor) -> float:
    value = work.score(targets.numpy(), answers.numpy())
    return value if work.higher_is_better else -value


def _choose(probe: Candidate, network: Candidate, work: Work) -> tuple[Candidate, Candidate]:
    """Return the probe before the network, unless the network is better beyond doubt."""
    found = difference(work, network, probe)
    better = found.low > 0 if work.higher_is_better else found.high < 0
    return (network, probe) if better else (probe, network)
