"""A class that weighs three times as much is learnt as if each of its rows were there three times."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.kinds.tabular.boosting import boost
from components.kinds.tabular.candidates import network_plan
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.binary import BinaryHead
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.heads.multiclass import MulticlassHead
from components.kinds.tabular.keeping import open_work
from components.kinds.tabular.options import Baseline
from components.kinds.tabular.trees import Boosting
from components.settings import Settings
from components.training.spending import Budget
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels

BINARY = (1.0, 3.0)
CLASSES = (1.0, 3.0, 2.0)
HEADS = [
    (BinaryHead("none", positive=BINARY[1]), BinaryHead("none"), BINARY),
    (MulticlassHead(3, "none", weights=CLASSES), MulticlassHead(3, "none"), CLASSES),
]


def table(rows: int, seed: int, classes: int) -> Table:
    """Return rows whose values are few, so that quantiles of repeated rows and of weighted ones are the same."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 6, (rows, 4)).astype(np.float32)
    signal = (values[:, 0] - values[:, 1]) * (values[:, 2] - 2.5)
    chance = (0.3 * signal[:, None] - 1.5) * np.arange(classes) + random.gumbel(size=(rows, classes))
    labels = chance.argmax(axis=1).astype(np.float32)
    return Table(torch.from_numpy(values), torch.zeros((rows, 0), dtype=torch.int64), torch.from_numpy(labels))


def repeated(rows: Table, weights: tuple[float, ...]) -> Table:
    """Return a table with each row as often as its class weighs."""
    places = torch.arange(len(rows)).repeat_interleave(torch.tensor(weights).long()[rows.labels.long()])
    return Table(rows.values[places], rows.codes[places], rows.labels[places])


@pytest.mark.parametrize(("weighted", "plain", "weights"), HEADS, ids=["yes or no", "classes"])
def test_trees_weigh_classes_in_training_and_in_the_loss_that_stops_them(
    weighted: Head, plain: Head, weights: tuple[float, ...]
) -> None:
    train, validation = table(1500, 1, len(weights)), table(700, 2, len(weights))
    options = Baseline(n_estimators=200, learning_rate=0.1, subsample=1, colsample_bytree=1, patience=10)
    boosting = Boosting(options, seed=1, threads=1, budget=Budget(600.0))
    made = boost(weighted, train, validation, boosting)
    expected = boost(plain, repeated(train, weights), repeated(validation, weights), boosting)
    again = boost(weighted, train, repeated(validation, weights), boosting)
    assert made.rounds == expected.rounds != again.rounds
    np.testing.assert_allclose(made.held, expected.trees.raw(validation.matrix()), atol=1e-4)
    assert np.abs(made.held - boost(plain, train, validation, boosting).held).max() > 0.1


def test_an_epoch_is_scored_by_what_would_ship(tmp_path: Path) -> None:
    workload = parcels_workload(class_weight="balanced")
    goal = workload.goal.model_copy(update={"metric": "log_loss", "direction": "at_most"})
    prepared = prepare_parcels(tmp_path, workload, rows=400)
    work = open_work(prepared, workload.model_copy(update={"goal": goal}), parcels_spec())
    score = network_plan(work, Settings(threads=1)).task.score
    labels = work.tables["validation"].labels
    knowing = torch.sigmoid(3 * (2 * labels - 1) + torch.linspace(-4, 4, len(labels)))[:, None]
    shifted = torch.sigmoid(2 * torch.logit(knowing) + 1.5)
    assert score(shifted, labels) == pytest.approx(score(knowing, labels), abs=1e-3)
    assert score(torch.full_like(knowing, 0.5), labels) < score(knowing, labels) - 0.1
