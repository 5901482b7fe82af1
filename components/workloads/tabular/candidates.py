"""Train every tabular candidate, export each with the recipe in front, and choose: trees first, then the network."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import onnx
import polars as pl
import torch
from numpy.typing import NDArray

from components.batches import TableBatches
from components.catalog import Progress, kind_options
from components.compile_probe import choose_compile
from components.data_results import Prepared
from components.declaration import Workload
from components.features.recipe import Recipe, read_recipe, recipe_graph
from components.hardware import choose_hardware, probe_machine
from components.learner import Plan, Task
from components.metrics import HIGHER_IS_BETTER, paired_difference, score
from components.model_results import Candidate, Comparison, HardwareChoice, Trained
from components.onnx_export import answering, export_network, finished, join, stacked
from components.settings import Settings
from components.storage import digest_bytes, digest_json, write_atomically, write_json
from components.training import Fitted, fit
from components.training_guards import Budget, budget_of
from components.workloads.tabular.baseline import fit_trees, tree_answers, tree_graph
from components.workloads.tabular.calibration import calibrated, fit_line, with_calibration
from components.workloads.tabular.data import Table, read_table
from components.workloads.tabular.linear import fit_linear
from components.workloads.tabular.model import Probability, binary_answers, loss_of, make_network
from components.workloads.tabular.options import TabularOptions
from data_contracts.spec import ContractSpec

# The splits on which the trainer's own answers are kept: one to choose on, one to evaluate on.
ANSWERED = ("validation", "test")
RESAMPLES = 1000
ROWS_AT_ONCE = 65_536

Answer = Callable[[Table], NDArray[np.float32]]


@dataclass(frozen=True)
class _Work:
    """What all candidates share."""

    tables: dict[str, Table]
    workload: Workload
    options: TabularOptions
    recipe: Recipe
    contract: ContractSpec
    folder: Path


class _Record(msgspec.Struct, frozen=True):
    """What is remembered of a finished candidate, so that a training run again does not fit it again."""

    digest: str
    score: float
    seconds: float


def train_candidates(
    prepared: Prepared,
    workload: Workload,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train the baseline and the network under ``folder``, choose by the goal's metric on validation."""
    started = time.monotonic()
    options = kind_options(workload)
    assert isinstance(options, TabularOptions), "the tabular kind declares TabularOptions"
    recipe = read_recipe(prepared.recipe.read_bytes())
    tables = {split: read_table(prepared, split) for split in ("train", *ANSWERED)}
    work = _Work(tables, workload, options, recipe, contract, folder)
    budget = budget_of(options.time_cap_minutes, workload.goal.training_usd, settings.price_per_hour)

    progress("xgboost", 0, 1)
    threads = settings.threads or torch.get_num_threads()
    trees = _train_trees(work, threads, budget)
    progress("xgboost", 1, 1)
    floor = (_train_linear(work, threads),) if options.linear else ()
    fitted = _fit_network(work, settings, budget.less(trees.seconds), partial(progress, "network"))
    candidates = (trees, *floor, _export_network(work, fitted))

    chosen = _choose(candidates, workload)
    seconds = trees.seconds + fitted.seconds + max(0.0, time.monotonic() - started - trees.seconds - fitted.seconds)
    return Trained(
        digest=digest_json({"candidates": {one.name: one.digest for one in candidates}, "chosen": chosen}),
        path=folder,
        candidates=candidates,
        chosen=chosen,
        comparison=_compare(candidates, chosen, tables["validation"], workload),
        hardware=fitted.hardware,
        stopped=fitted.stopped,
        epochs=fitted.epochs,
        seconds=round(seconds, 3),
        cost_usd=round(seconds / 3600 * settings.price_per_hour, 6),
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        seed=workload.seed,
    )


def _train_trees(work: _Work, threads: int, budget: Budget) -> Candidate:
    if (known := _finished(work, "xgboost")) is not None:
        return known
    started = time.monotonic()
    train, validation = work.tables["train"], work.tables["validation"]
    model = fit_trees(train, validation, work.options.baseline, seed=work.workload.seed, threads=threads, budget=budget)
    seconds = time.monotonic() - started
    columns = train.values.shape[1] + train.codes.shape[1]
    graph = stacked(tree_graph(model, columns), train.values.shape[1], train.codes.shape[1])
    return _keep(
        work,
        "xgboost",
        answering(graph, "probabilities", 1),
        lambda table: tree_answers(model, table.matrix()),
        seconds,
    )


def _fit_network(work: _Work, settings: Settings, budget: Budget, report: Callable[[int, int], None]) -> Fitted:
    machine = probe_machine()
    options = work.options
    train, validation = work.tables["train"], work.tables["validation"]
    plan = Plan(
        network=partial(make_network, *_shape(work), options),
        task=Task(
            loss_of(options, float(train.labels.mean())),
            binary_answers,
            partial(_signed_score, work.workload.goal.metric),
        ),
        training=TableBatches(_tensors(train), options.batch_size, seed=work.workload.seed),
        validation=TableBatches(_tensors(validation), ROWS_AT_ONCE),
        options=options,
        hardware=choose_hardware(machine, precision=options.precision, threads=settings.threads),
        machine=machine,
        seed=work.workload.seed,
    )
    plan = replace(plan, hardware=_remembered(work.folder / "hardware.json", partial(choose_compile, plan)))
    return fit(plan, work.folder / "network", budget, report)


def _remembered(path: Path, choose: Callable[[], HardwareChoice]) -> HardwareChoice:
    """Return a choice that was made before for this folder: a training that goes on must not change its arithmetic."""
    if not path.is_file():
        write_atomically(path, choose().model_dump_json(indent=2).encode())
    return HardwareChoice.model_validate_json(path.read_bytes())


def _export_network(work: _Work, fitted: Fitted) -> Candidate:
    network = make_network(*_shape(work), work.options)
    network.load_state_dict(fitted.weights)
    return _keep_network(work, "network", network.eval(), fitted.seconds)


def _train_linear(work: _Work, threads: int) -> Candidate:
    started = time.monotonic()
    network = fit_linear(work.tables["train"], _cardinalities(work.recipe), threads=threads)
    return _keep_network(work, "linear", network, time.monotonic() - started)


def _keep_network(work: _Work, name: str, network: torch.nn.Module, seconds: float) -> Candidate:
    if (known := _finished(work, name)) is not None:
        return known
    example = work.tables["validation"]
    inputs = {"values": example.values[:2], "codes": example.codes[:2]}
    used = {key: tensor for key, tensor in inputs.items() if tensor.shape[1]}
    answer = Probability(network, values="values" in used, codes="codes" in used)
    graph = export_network(answer, tuple(used.values()), tuple(used), ("answer",))
    return _keep(work, name, answering(graph, "answer"), partial(_network_answers, network), seconds)


def _shape(work: _Work) -> tuple[int, tuple[int, ...]]:
    return work.tables["train"].values.shape[1], _cardinalities(work.recipe)


def _cardinalities(recipe: Recipe) -> tuple[int, ...]:
    return tuple(feature.cardinality for feature in recipe.codes)


def _tensors(table: Table) -> tuple[torch.Tensor, ...]:
    return table.values, table.codes, table.labels


def _signed_score(metric: str, answers: torch.Tensor, targets: torch.Tensor) -> float:
    """Return a metric so that higher is better."""
    value = score(metric, targets.numpy(), answers.numpy())
    return value if HIGHER_IS_BETTER[metric] else -value


@torch.inference_mode()
def _network_answers(network: torch.nn.Module, table: Table) -> NDArray[np.float32]:
    # In fp32 whatever the training precision: this is what the exported graph computes.
    batches = TableBatches(_tensors(table), ROWS_AT_ONCE)
    answers: NDArray[np.float32] = torch.cat([binary_answers(network, batch)[0] for batch in batches]).numpy()
    return answers


def _family(name: str) -> Literal["baseline", "lightning"]:
    return "lightning" if name == "network" else "baseline"


def _paths(work: _Work, name: str) -> tuple[Path, Path, Path]:
    folder = work.folder / "candidates" / name
    return folder / "model.onnx", folder / "predictions.parquet", folder / "candidate.json"


def _finished(work: _Work, name: str) -> Candidate | None:
    model, predictions, record = _paths(work, name)
    if not record.is_file():
        return None
    known = msgspec.json.decode(record.read_bytes(), type=_Record)
    return Candidate(
        name=name,
        family=_family(name),
        model=model,
        digest=known.digest,
        predictions=predictions,
        score=known.score,
        seconds=known.seconds,
    )


def _keep(work: _Work, name: str, back: onnx.ModelProto, answer: Answer, seconds: float) -> Candidate:
    """Write graph and answers of a candidate; the record comes last and says that the rest is whole."""
    model, predictions, record = _paths(work, name)
    raw = {split: answer(work.tables[split]) for split in ANSWERED}
    line = fit_line(work.tables["validation"].labels.numpy(), raw["validation"], work.options.calibration)
    answers = {split: calibrated(given, line) for split, given in raw.items()}
    data = finished(join(recipe_graph(work.recipe, work.contract), with_calibration(back, line)))
    write_atomically(model, data)
    frame = pl.concat(
        pl.DataFrame({"probability": given}).select(
            pl.lit(split).alias("split"), pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "probability"
        )
        for split, given in answers.items()
    )
    frame.write_parquet(predictions)
    value = score(work.workload.goal.metric, work.tables["validation"].labels.numpy(), answers["validation"])
    write_json(record, _Record(digest_bytes(data), value, round(seconds, 3)))
    kept = _finished(work, name)
    assert kept is not None, "the record was just written"
    return kept


def _choose(candidates: tuple[Candidate, ...], workload: Workload) -> str:
    sign = 1 if HIGHER_IS_BETTER[workload.goal.metric] else -1
    # max() keeps the first of equals: the simpler model.
    return max(candidates, key=lambda one: sign * one.score).name


def _compare(candidates: tuple[Candidate, ...], chosen: str, table: Table, workload: Workload) -> Comparison:
    metric = workload.goal.metric
    sign = 1 if HIGHER_IS_BETTER[metric] else -1
    best = next(one for one in candidates if one.name == chosen)
    other = max((one for one in candidates if one.name != chosen), key=lambda one: sign * one.score)
    labels = table.labels.numpy()
    first, second = (
        pl.read_parquet(one.predictions).filter(pl.col("split") == "validation")["probability"].to_numpy()
        for one in (best, other)
    )
    found = paired_difference(metric, labels, first, second, resamples=RESAMPLES, seed=workload.seed)
    return Comparison(
        metric=metric,
        better=best.name,
        worse=other.name,
        difference=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        resamples=RESAMPLES,
    )
