"""The candidates of a tabular workload, trees, a linear floor and a network: how each learns and is exported."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from components.data.results import Prepared
from components.kinds.tabular.boosting import boost, boost_again, boost_crosswise
from components.kinds.tabular.calibration import calibrated
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.keeping import (
    ROWS_AT_ONCE,
    Work,
    cardinalities_of,
    codes_of,
    learnt,
    learnt_network,
    network_inputs,
    open_work,
    tensors_of,
    with_options,
)
from components.kinds.tabular.linear import fit_and_judge, fit_crosswise, fit_linear, strengths_for
from components.kinds.tabular.model import make_network
from components.kinds.tabular.options import TabularOptions
from components.kinds.tabular.preparation import RECIPE
from components.kinds.tabular.trees import Boosting
from components.progress import Progress
from components.selection.candidates import Entry, Run, train_candidates
from components.selection.keeping import Learnt
from components.settings import Settings
from components.store.reference import Reference
from components.training.batches import Batch, TableBatches
from components.training.compile_probe import remembered_choice
from components.training.engine import Fitted, Report, Watch, fit
from components.training.hardware import choose_hardware, probe_machine
from components.training.learner import Plan, Task
from components.training.onnx_export import stacked
from components.training.part import TrainingPart
from components.training.results import Stopped, Trained
from components.training.search import search
from components.training.spending import Meter, budget_of
from data_contracts.description.spec import ContractSpec

# Where the trials of a search for the network's options lie.
SEARCH = "search"


def train_all(
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train every candidate under ``folder``, choose by the goal's metric on validation."""
    work = open_work(prepared, workload, contract)
    options = work.options
    trained = train_candidates(
        entries_of(work, folder / SEARCH, settings),
        work.validation,
        budget_of(options.time_cap_minutes, workload.goal.training_usd, settings.price_per_hour),
        folder,
        settings,
        progress,
        assets={RECIPE: work.recipe_file},
        options=options.model_dump(mode="json", exclude={"search"}),
    )
    trials = Reference.of_path(folder / SEARCH / "trials.json") if options.search else None
    return trained.model_copy(update={"quantiles": options.quantiles, "stored_search": trials})


def entries_of(work: Work, trials: Path, settings: Settings) -> tuple[Entry, ...]:
    """Return the candidates in the order in which they are preferred: a later one has to be better beyond doubt."""
    linear = (Entry("linear", "baseline", partial(_learn_linear, work)),) if work.options.linear else ()
    return (
        Entry("xgboost", "baseline", partial(_learn_trees, work)),
        *linear,
        Entry("network", "challenger", partial(_learn_network, work, trials, settings)),
    )


def _learn_trees(work: Work, run: Run) -> Learnt:
    started, meter = time.monotonic(), Meter(run.threads)
    train, validation = work.tables["train"], work.tables["validation"]
    boosting = Boosting(work.options.baseline, work.workload.seed, run.threads, run.budget, codes_of(work.recipe))
    if work.folds is not None:
        made = boost_crosswise(work.head, work.known, work.folds, boosting)
    else:
        made = boost(work.head, train, validation, boosting)
        if work.refits:
            left = replace(boosting, budget=run.budget.less(meter.spent()))
            made = boost_again(work.head, made, train, validation, left)
    seconds, ended = time.monotonic() - started, run.budget.ended_by(meter.spent())
    capped: Stopped = "tree cap" if made.rounds == work.options.baseline.n_estimators else "finished"
    values, codes = train.values.shape[1], train.codes.shape[1]
    graph = stacked(made.trees.graph(values + codes), values, codes, made.order.places)
    return learnt(work, "xgboost", graph, made.answer, seconds, made.held, stopped=ended or capped)


def _learn_linear(work: Work, run: Run) -> Learnt:
    started, cardinalities = time.monotonic(), cardinalities_of(work.recipe)
    train, known = work.tables["train"], work.known
    before = torch.get_num_threads()
    torch.set_num_threads(run.threads)
    try:
        if work.folds is not None:
            made = fit_crosswise(work.head, known, work.folds, cardinalities, strengths_for(train))
        else:
            validation = work.tables["validation"]
            made = fit_and_judge(work.head, train, validation, cardinalities, strengths_for(train))
            if work.refits:
                made = replace(made, network=fit_linear(work.head, known, cardinalities, made.strength))
    finally:
        torch.set_num_threads(before)
    return learnt_network(work, "linear", made.network, time.monotonic() - started, made.held)


def _learn_network(work: Work, trials: Path, settings: Settings, run: Run) -> Learnt:
    """Fit the network: with the options of the best trial, if a search is declared."""
    meter, options, folder = Meter(run.threads), work.options, run.folder

    def fitted_with(options: TabularOptions, place: Path, watch: Watch, report: Report) -> Fitted:
        plan = remembered_choice(network_plan(with_options(work, options), settings), run.folder)
        return fit(plan, place, run.budget.less(meter.spent()), report, watch)

    if options.search is not None:
        options, folder = search(
            options,
            options.search,
            lambda tried, place, watch: fitted_with(tried, place, watch, lambda *_: None).score,
            trials,
            seed=work.workload.seed,
            report=partial(run.progress, SEARCH),
        )
    fitted, work = fitted_with(options, folder, lambda *_: None, run.report), with_options(work, options)
    network = make_network(*network_inputs(work), options, work.head.columns)
    network.load_state_dict(fitted.weights)
    return learnt_network(
        work,
        "network",
        network.eval(),
        fitted.seconds,
        stopped=fitted.stopped,
        curve=fitted.curve,
        hardware=fitted.hardware,
        options=options.model_dump(mode="json", include=set(options.search.ranges)) if options.search else {},
    )


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
    raw, labels = answers.numpy(), targets.numpy()
    given = calibrated(raw, work.head.calibrate(labels, raw))
    return work.validation.sign * work.validation.score(given, labels)
