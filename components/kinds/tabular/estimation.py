"""What training the tabular candidates will take: a few trees, a few iterations, short epochs, one export."""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from components.data.results import Prepared
from components.kinds.tabular.boosting import boost
from components.kinds.tabular.candidates import network_plan
from components.kinds.tabular.keeping import Work, cardinalities_of, codes_of, learnt, learnt_network, open_work
from components.kinds.tabular.linear import ITERATIONS, fit_linear, strengths_for
from components.kinds.tabular.trees import Boosting
from components.selection.keeping import Learnt, keep_candidate
from components.settings import Settings
from components.training.costs.cards import card_estimates
from components.training.costs.estimate import FURTHER_TRIAL, Estimate, Part, Prices, Spent
from components.training.costs.peak_memory import MemoryMeter
from components.training.costs.probing import UNLIMITED, measure, network_part, now
from components.training.learner import Plan
from components.training.onnx_export import stacked
from components.training.part import TrainingPart
from components.training.spending import budget_of, spent_of
from data_contracts.description.spec import ContractSpec

TREES = (10, 40)
FEW_ITERATIONS = (2, 8)


def estimate_candidates(
    prepared: Prepared, workload: TrainingPart, contract: ContractSpec, prices: Prices, settings: Settings
) -> Estimate:
    """Probe each part of the training and return what the whole is expected to take; nothing is kept."""
    with MemoryMeter() as memory:
        opening = now()
        work = open_work(prepared, workload, contract)
        parts = [Part(name="reading", once=now() - opening)]
        plan = network_plan(work, settings)
        parts += _probed(work, plan)
    cap = partial(budget_of, work.options.time_cap_minutes, workload.goal.training_usd)
    budget = cap(settings.price_per_hour)
    most, least = _total(parts, lambda part: part.most), _total(parts, lambda part: part.least)
    threads = plan.hardware.threads if plan.hardware.device == "cpu" else None
    (seconds, ends), (least_seconds, _) = (
        budget.within(spent_of(total.wall, total.cpu, threads)) for total in (most, least)
    )
    warnings = [f"stops at the {ends}"] if ends else []
    if work.options.devices > 1:
        warnings.append(f"probed with one process, {work.options.devices} were taken to share the work evenly")
    if (load := os.getloadavg()[0]) > 1.25 * plan.machine.cores:
        warnings.append(
            f"the machine is busy (load {load:.1f} on {plan.machine.cores} cores): this holds for as long as it is"
        )
    if prices.warning:
        warnings.append(prices.warning)
    return Estimate(
        seconds=round(seconds, 1),
        least_seconds=round(least_seconds, 1),
        cpu_seconds=round(most.cpu, 1),
        usd=round(seconds / 3600 * settings.price_per_hour, 6),
        memory_mb=memory.peak.mb,
        parts=tuple(parts),
        steps=plan.steps,
        cards=card_estimates(plan, prices, parts, cap),
        prices_as_of=prices.as_of,
        warnings=tuple(warnings),
    )


def _probed(work: Work, plan: Plan) -> list[Part]:
    """Return what each part takes after the data are read."""
    threads = plan.hardware.threads
    trees, tree_export = _trees(work, threads)
    floor = [_linear(work)] if work.options.linear else []
    network = network_part(plan)
    graphs = ("network", *(one.name for one in floor))
    # One after the other, as in the training: the first also loads what exports.
    exports = [
        measure(lambda name=name: _kept(work, learnt_network(work, name, plan.network().eval(), 0.0)))  # type: ignore[misc]
        for name in graphs
    ]
    export = Part(name="export", once=sum(exports, tree_export))
    choice = Part(name="choice", once=measure(lambda: _compare(work)) * (len(graphs) + 1))
    search = [_search(network, work)] if work.options.search is not None else []
    return [trees, *floor, network, export, choice, *search]


def _total(parts: list[Part], units: Callable[[Part], int]) -> Spent:
    return sum((part.taking(units(part)) for part in parts), Spent())


def _between(spent: tuple[Spent, Spent], units: tuple[int, int]) -> tuple[Spent, Spent]:
    """Return what is paid once and what each unit takes, from what few and more units took."""
    each = (spent[1] - spent[0]) * (1 / (units[1] - units[0]))
    return spent[0] - each * units[0], each


def _trees(work: Work, threads: int) -> tuple[Part, Spent]:
    """Boost a few trees and a few more; return their part, and what exporting all of them will take."""
    train, validation, options = work.tables["train"], work.tables["validation"], work.options.baseline
    columns, values = train.values.shape[1] + train.codes.shape[1], train.values.shape[1]
    fitted, exported = [], []
    for trees in TREES:
        few = options.model_copy(update={"n_estimators": trees, "patience": trees})
        started = now()
        boosting = Boosting(few, work.workload.seed, threads, UNLIMITED, codes_of(work.recipe))
        made = boost(work.head, train, validation, boosting)
        fitted.append(now() - started)
        started = now()
        graph = stacked(made.trees.graph(columns), values, columns - values, made.order.places)
        _kept(work, learnt(work, "trees", graph, made.answer, 0.0))
        exported.append(now() - started)
    once, each = _between((fitted[0], fitted[1]), TREES)
    base, every = _between((exported[0], exported[1]), TREES)
    most, least = options.n_estimators, min(options.n_estimators, options.patience + 1)
    part = Part(name="xgboost", once=once, each=each, unit="tree", least=least * _fits(work), most=most * _fits(work))
    return part, base + every * most


def _linear(work: Work) -> Part:
    codes = cardinalities_of(work.recipe)
    fitted = [
        measure(lambda few=few: fit_linear(work.head, work.tables["train"], codes, iterations=few))  # type: ignore[misc]
        for few in FEW_ITERATIONS
    ]
    once, each = _between((fitted[0], fitted[1]), FEW_ITERATIONS)
    tried = len(strengths_for(work.tables["train"]))
    most = ITERATIONS * (tried * (_fits(work) - work.refits) + work.refits)
    return Part(name="linear", once=once, each=each, unit="iteration", least=most, most=most)


def _fits(work: Work) -> int:
    """Return how often trees are boosted: once, once for each fold, and once again on all that is known."""
    return (1 if work.folds is None else int(work.folds.max()) + 1) + work.refits


def _compare(work: Work) -> None:
    """Compare two arbitrary candidates as the choice between them does."""
    rows, random = len(work.tables["validation"].labels), np.random.default_rng(0)
    first, second = (random.random((rows, work.head.columns), dtype=np.float32) for _ in range(2))
    work.validation.difference(first, second)


def _kept(work: Work, learnt: Learnt) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keep_candidate(Path(folder), "probed", "baseline", learnt, work.validation.score)


def _search(network: Part, work: Work) -> Part:
    """Return what the trials take; the best of them is the network, which is then not trained again."""
    search = work.options.search
    assert search is not None, "asked only where there is a search"
    trial = network.taking(network.most)
    most = min(search.trials, max(1, int(search.minutes * 60 / max(trial.wall, 1e-9)))) - 1
    return Part(
        name="search",
        once=Spent(),
        each=trial,
        steps=network.steps * network.most,
        unit=FURTHER_TRIAL,
        least=0,
        most=most,
    )
