"""Train every tabular candidate, export each with the recipe in front, and choose: trees first, then the network."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from components.artefacts.storage import digest_json, write_atomically
from components.catalog import Progress
from components.data.results import Prepared
from components.evaluation.metrics import HIGHER_IS_BETTER, Interval, score
from components.kinds.tabular.calibration import calibrated
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.keeping import (
    RESAMPLES,
    ROWS_AT_ONCE,
    Work,
    cardinalities_of,
    difference,
    judged,
    keep,
    keep_network,
    kept_answers,
    kept_candidate,
    network_inputs,
    open_work,
    tensors_of,
    with_options,
)
from components.kinds.tabular.linear import fit_linear
from components.kinds.tabular.model import make_network
from components.kinds.tabular.options import TabularOptions
from components.kinds.tabular.trees import Boosting
from components.settings import Settings
from components.training.batches import Batch, TableBatches
from components.training.compile_probe import choose_compile
from components.training.engine import Fitted, Report, Watch, fit
from components.training.hardware import choose_hardware, probe_machine
from components.training.learner import Plan, Task
from components.training.onnx_export import stacked
from components.training.part import TrainingPart
from components.training.results import Candidate, Comparison, HardwareChoice, Trained
from components.training.search import search
from components.training.spending import Budget, Meter, budget_of
from data_contracts.description.spec import ContractSpec


def train_candidates(
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train the baseline and the network under ``folder``, choose by the goal's metric on validation."""
    started = time.monotonic()
    work = open_work(prepared, workload, contract, folder)
    options = work.options
    budget = budget_of(options.time_cap_minutes, workload.goal.training_usd, settings.price_per_hour)

    progress("xgboost", 0, 1)
    threads = settings.threads or torch.get_num_threads()
    # By a run that was killed after them.
    earlier = known.seconds if (known := kept_candidate(work, "xgboost")) else 0.0
    meter = Meter(threads)
    trees = _train_trees(work, threads, budget)
    progress("xgboost", 1, 1)
    floor = (_train_linear(work, threads),) if options.linear else ()
    fitted, found = _fit_network(work, settings, budget.less(earlier).less(meter.spent()), progress)
    candidates = (trees, *floor, _export_network(with_options(work, found), fitted))

    chosen = _choose(candidates, work)
    seconds = trees.seconds + fitted.seconds + max(0.0, time.monotonic() - started - trees.seconds - fitted.seconds)
    return Trained(
        digest=digest_json({"candidates": {one.name: one.digest for one in candidates}, "chosen": chosen}),
        stored=folder,
        candidates=candidates,
        chosen=chosen,
        stored_search=work.folder / "search" / "trials.json" if options.search else None,
        comparison=_compare(candidates, chosen, work),
        hardware=fitted.hardware,
        stopped=fitted.stopped,
        epochs=fitted.epochs,
        curve=fitted.curve,
        options=found.model_dump(mode="json", exclude={"search"}),
        seconds=round(seconds, 3),
        cost_usd=round(seconds / 3600 * settings.price_per_hour, 6),
        seed=workload.seed,
        quantiles=options.quantiles,
    )


def _train_trees(work: Work, threads: int, budget: Budget) -> Candidate:
    if (known := kept_candidate(work, "xgboost")) is not None:
        return known
    started = time.monotonic()
    train, validation = work.tables["train"], work.tables["validation"]
    boosting = Boosting(work.options.baseline, work.workload.seed, threads, budget)
    meter = Meter(threads)
    trees = work.head.boost(train, validation, boosting)
    seconds, cut = time.monotonic() - started, budget.ended_by(meter.spent())
    values, codes = train.values.shape[1], train.codes.shape[1]
    graph = stacked(trees.graph(values + codes), values, codes)
    return keep(work, "xgboost", graph, lambda table: trees.raw(table.matrix()), seconds, cut or "")


def network_plan(work: Work, settings: Settings) -> Plan:
    """Return the plan of the network's fit on this machine, before anything is measured."""
    machine = probe_machine()
    options = work.options
    train, validation = work.tables["train"], work.tables["validation"]
    return Plan(
        network=partial(make_network, *network_inputs(work), options, work.head.columns),
        task=Task(
            partial(_loss, work.head),
            partial(_answers, work.head),
            partial(_signed_score, work),
        ),
        training=TableBatches(tensors_of(train), options.batch_size, seed=work.workload.seed),
        validation=TableBatches(tensors_of(validation), ROWS_AT_ONCE),
        options=options,
        hardware=choose_hardware(machine, precision=options.precision, threads=settings.threads),
        machine=machine,
        seed=work.workload.seed,
    )


def _fit_network(work: Work, settings: Settings, budget: Budget, progress: Progress) -> tuple[Fitted, TabularOptions]:
    """Return the fitted network and the options it was fitted with: those of the best trial, if there was a search."""
    folder, meter = work.folder / "network", Meter(settings.threads or torch.get_num_threads())

    def run(options: TabularOptions, place: Path, watch: Watch, report: Report) -> Fitted:
        plan = network_plan(with_options(work, options), settings)
        plan = replace(plan, hardware=_remembered(work.folder / "hardware.json", partial(choose_compile, plan)))
        return fit(plan, place, budget.less(meter.spent()), report, watch)

    options = work.options
    if options.search is not None:
        options, folder = search(
            options,
            options.search,
            lambda tried, place, watch: run(tried, place, watch, lambda *_: None).score,
            work.folder / "search",
            seed=work.workload.seed,
            report=partial(progress, "search"),
        )
    return run(options, folder, lambda *_: None, partial(progress, "network")), options


def _remembered(path: Path, choose: Callable[[], HardwareChoice]) -> HardwareChoice:
    """Return a choice that was made before for this folder: a training that goes on must not change its arithmetic."""
    if not path.is_file():
        write_atomically(path, choose().model_dump_json(indent=2).encode())
    return HardwareChoice.model_validate_json(path.read_bytes())


def _export_network(work: Work, fitted: Fitted) -> Candidate:
    network = make_network(*network_inputs(work), work.options, work.head.columns)
    network.load_state_dict(fitted.weights)
    cut = fitted.stopped if "cap" in fitted.stopped else ""
    return keep_network(work, "network", network.eval(), fitted.seconds, cut)


def _train_linear(work: Work, threads: int) -> Candidate:
    if (known := kept_candidate(work, "linear")) is not None:
        return known
    started = time.monotonic()
    network = fit_linear(work.head, work.tables["train"], cardinalities_of(work.recipe), threads=threads)
    return keep_network(work, "linear", network, time.monotonic() - started)


def _loss(head: Head, network: nn.Module, batch: Batch) -> torch.Tensor:
    values, codes, labels = batch
    return head.loss(network(values, codes), labels)


def _answers(head: Head, network: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    values, codes, labels = batch
    logits = network(values, codes).float()
    return head.raw(logits), labels, head.loss(logits, labels)


def _signed_score(work: Work, answers: torch.Tensor, targets: torch.Tensor) -> float:
    """Return the goal's metric of what would ship, calibration included, so that higher is better.

    A weighted or a late epoch may have bad probabilities and still know most (Berta, Holzmüller, Jordan & Bach,
    Rethinking Early Stopping: Refine, Then Calibrate, 2025).
    """
    raw, labels, metric = answers.numpy(), targets.numpy(), work.workload.goal.metric
    value = score(metric, labels, judged(work, calibrated(raw, work.head.calibrate(labels, raw))))
    return value if HIGHER_IS_BETTER[metric] else -value


def _choose(candidates: tuple[Candidate, ...], work: Work) -> str:
    """Return the first candidate, unless a later one is better beyond doubt: noise must not choose the model."""
    kept = candidates[0]
    for other in candidates[1:]:
        found = _difference(other, kept, work)
        if (found.low > 0) if HIGHER_IS_BETTER[work.workload.goal.metric] else (found.high < 0):
            kept = other
    return kept.name


def _compare(candidates: tuple[Candidate, ...], chosen: str, work: Work) -> Comparison:
    metric = work.workload.goal.metric
    sign = 1 if HIGHER_IS_BETTER[metric] else -1
    best = next(one for one in candidates if one.name == chosen)
    other = max((one for one in candidates if one.name != chosen), key=lambda one: sign * one.score)
    found = _difference(best, other, work)
    return Comparison(
        metric=metric,
        chosen=best.name,
        other=other.name,
        difference=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        resamples=RESAMPLES,
    )


def _difference(first: Candidate, second: Candidate, work: Work) -> Interval:
    """Return score(first) - score(second) on the same validation rows."""
    return difference(work, kept_answers(work, first, "validation"), kept_answers(work, second, "validation"))
