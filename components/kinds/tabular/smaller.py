"""Smaller models of a tabular workload's chosen one: fewer of its trees, or a small network that learnt its answers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch

from components.artefacts.inference import MODEL, Answers, Parts
from components.artefacts.storage import write_atomically
from components.batch_prediction import predict_file
from components.compression.results import Smaller
from components.data.results import Prepared
from components.declaration.serving import Family
from components.declaration.targets import target_of
from components.features.recipe import recipe_graph
from components.kinds.tabular.bulk import BulkPredictor
from components.kinds.tabular.calibration import calibrated, with_calibration
from components.kinds.tabular.candidates import network_plan
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.keeping import (
    Work,
    network_answers,
    network_graph,
    network_inputs,
    open_work,
    with_options,
)
from components.kinds.tabular.model import make_network
from components.kinds.tabular.options import TabularOptions
from components.settings import Settings
from components.training.engine import fit
from components.training.onnx_export import finished, join
from components.training.part import TrainingPart
from components.training.results import Trained
from components.training.spending import Spent, budget_of
from data_contracts.description.spec import ContractSpec

# Shares of the trees that are kept: the first ones, which say most.
SHARES = (0.75, 0.5, 0.25)
ENSEMBLES = {"TreeEnsembleClassifier": "class", "TreeEnsembleRegressor": "target"}
# The student's layers are this much narrower than the network's.
NARROWER = 4


def smaller_models(
    trained: Trained,
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    families: Sequence[Family],
) -> list[Smaller]:
    """Return what can be made of the chosen candidate, with a note where nothing can."""
    work = open_work(prepared, workload, contract)
    if trained.options is not None:
        # What a search found best is what a student is a narrower form of.
        work = with_options(work, TabularOptions.model_validate(trained.options))
    made: list[Smaller] = []
    if "pruned" in families:
        made += _pruned(work, trained.best.model, prepared, folder)
    if "distilled" in families:
        made.append(_distilled(work, trained, prepared, folder, settings))
    return made


def _not_made(family: Family, why: str) -> Smaller:
    return Smaller(name=family, family=family, note=why, model=None)


def _pruned(work: Work, model: Path, prepared: Prepared, folder: Path) -> Iterator[Smaller]:
    graph = onnx.load(model)
    ensembles = [node for node in graph.graph.node if node.op_type in ENSEMBLES]
    if not ensembles:
        yield _not_made("pruned", "the model has no trees to leave out")
        return
    if work.options.quantiles:
        # They stand one after the other in one list, so that leaving out the last ones would leave out quantiles.
        yield _not_made("pruned", "the trees of several quantiles are not pruned")
        return
    if work.refits and target_of(work.contract) != "regression":
        yield _not_made("pruned", "the model learnt from every row on which fewer trees could be calibrated")
        return
    trees = 1 + max(next(a for a in ensembles[0].attribute if a.name == "nodes_treeids").ints)
    # XGBoost grows a tree a class in turn.
    turn = work.head.columns
    for share in SHARES:
        kept = turn * max(1, round(share * trees / turn))
        path = folder / f"pruned-{kept}.onnx"
        pruned, note = first_trees(graph, kept), f"the first {kept} of {trees} trees"
        if target_of(work.contract) != "regression":
            # Fewer trees give probabilities nearer to the middle; numbers are in the label's units as they are.
            pruned, note = _calibrated_anew(pruned, path, work, prepared), f"{note}, calibrated anew"
        write_atomically(path, finished(pruned))
        yield Smaller(name=f"pruned to {kept} trees", family="pruned", note=note, model=path)


def first_trees(model: onnx.ModelProto, kept: int) -> onnx.ModelProto:
    """Return the graph with the first trees of its ensemble alone; ONNX lists every tree's nodes with its number."""
    pruned = onnx.ModelProto()
    pruned.CopyFrom(model)
    ensemble = next(node for node in pruned.graph.node if node.op_type in ENSEMBLES)
    lists = {attribute.name: attribute for attribute in ensemble.attribute}
    for prefix in ("nodes", ENSEMBLES[ensemble.op_type]):
        numbers = list(lists[f"{prefix}_treeids"].ints)
        places = [place for place, tree in enumerate(numbers) if tree < kept]
        for name, attribute in lists.items():
            for values in (attribute.ints, attribute.floats, attribute.strings):
                if name.startswith(f"{prefix}_") and len(values) == len(numbers):
                    values[:] = [values[place] for place in places]
    return pruned


def _calibrated_anew(graph: onnx.ModelProto, path: Path, work: Work, prepared: Prepared) -> onnx.ModelProto:
    """Put another calibration behind the first."""
    write_atomically(path, finished(graph))
    answers = _answers(path, work, prepared, "validation")
    calibration = work.head.calibrate(work.tables["validation"].labels.numpy(), answers.reshape(len(answers), -1))
    last = graph.graph.node[-1]
    assert list(last.output) == [work.head.tensor], "the last node names the answer"
    last.output[0] = graph.graph.output[0].name = "pruned_answer"
    return with_calibration(graph, calibration, work.head.tensor, work.head.columns)


def _distilled(work: Work, trained: Trained, prepared: Prepared, folder: Path, settings: Settings) -> Smaller:
    """Train a narrow perceptron on the teacher's answers to the training rows (Hinton, Vinyals & Dean 2015).

    Its epochs are chosen by how near it is to the teacher, so that the labels of the validation split can judge it.
    """
    if work.head.columns != 1:
        return _not_made("distilled", "a student learns one number a row, not several")
    hidden = tuple(max(8, width // NARROWER) for width in work.options.hidden)
    student = replace(
        work,
        tables={split: _taught(work, trained, prepared, split) for split in ("train", "validation")},
        options=work.options.model_copy(update={"architecture": "mlp", "hidden": hidden, "dropout": 0.0}),
        head=work.head.plain(),
    )
    plan = network_plan(student, settings)
    plan = replace(plan, task=replace(plan.task, score=partial(_nearness, student.head)))
    options, goal = work.options, work.workload.goal
    # What one part took in an earlier process nobody knows by work, so then by the wall.
    worked = trained.seconds if trained.cpu_seconds is None else trained.cpu_seconds / trained.hardware.threads
    taken = Spent(trained.seconds, min(trained.seconds, worked))
    budget = budget_of(options.time_cap_minutes, goal.training_usd, settings.price_per_hour).less(taken)
    fitted = fit(plan, folder / "student", budget)
    network = make_network(*network_inputs(student), student.options, student.head.columns)
    network.load_state_dict(fitted.weights)
    path = folder / "distilled.onnx"
    validation = student.tables["validation"]
    # Towards the teacher, whose answers are calibrated.
    raw = network_answers(student.head, network.eval(), validation)
    calibration = student.head.calibrate(validation.labels.numpy(), raw)
    back = with_calibration(network_graph(student, network), calibration, work.head.tensor, work.head.columns)
    graph = join(recipe_graph(work.recipe, work.contract), back)
    write_atomically(path, finished(graph))
    widths = "-".join(str(width) for width in hidden)
    note = f"a {widths} perceptron that learnt the answers of {trained.chosen} on the training rows"
    return Smaller(name="distilled", family="distilled", note=note, model=path)


def _taught(work: Work, trained: Trained, prepared: Prepared, split: str) -> Table:
    """Return a split with the teacher's answers for labels."""
    answers = _answers(trained.best.model, work, prepared, split)
    return replace(work.tables[split], labels=torch.from_numpy(answers))


def _answers(model: Path, work: Work, prepared: Prepared, split: str) -> Answers:
    predictor = BulkPredictor(Parts({MODEL: model}), work.contract)
    return predict_file(predictor, work.contract, prepared.splits[split].path)


def _nearness(head: Head, answers: torch.Tensor, taught: torch.Tensor) -> float:
    raw, truth = answers.numpy(), taught.numpy()
    return -float(np.mean((calibrated(raw, head.calibrate(truth, raw))[:, 0] - truth) ** 2))
