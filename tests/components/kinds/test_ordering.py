"""Categories in an order that trees can cut, the same in the graph."""

import itertools

import numpy as np
import onnxruntime
import pytest
import torch

from components.kinds.tabular.boosting import boost
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.binary import BinaryHead
from components.kinds.tabular.options import Baseline
from components.kinds.tabular.ordering import Codes, Order
from components.kinds.tabular.trees import Boosting
from components.training.onnx_export import stacked
from components.training.spending import Budget

CODES = Codes((42, 25), (True, False))


def coded(rows: int, seed: int) -> Table:
    """Return rows of 40 categories, every second of which says yes; and of hours, of which only some occur."""
    random = np.random.default_rng(seed)
    codes = np.stack([random.integers(2, 42, rows), random.integers(3, 20, rows)], axis=1)
    values = random.normal(size=(rows, 1)).astype(np.float32)
    labels = ((codes[:, 0] % 2 == 0) ^ (random.random(rows) < 0.05)).astype(np.float32)
    return Table(torch.from_numpy(values), torch.from_numpy(codes), torch.from_numpy(labels))


def test_categories_lie_by_what_the_label_is_where_they_stand() -> None:
    names, hours = Order.of(coded(2_000, 0), CODES).places
    assert names[2::2].min() > names[3::2].max()
    # What was not seen lies between.
    assert names[3::2].max() < names[0] == names[1] < names[2::2].min()
    assert hours.tolist() == list(range(25))


def test_classes_are_ordered_by_what_tells_most_of_them_apart() -> None:
    table = coded(3_000, 0)
    labels = (table.codes[:, 0] % 3).float()
    places = Order.of(Table(table.values, table.codes, labels), CODES, classes=3).places[0]
    groups = [places[start:42:3] for start in (2, 3, 4)]
    spans = sorted((group.min(), group.max()) for group in groups)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_without_names_nothing_is_ordered() -> None:
    table = coded(50, 0)
    order = Order.of(table, Codes((42, 25), (False, False)))
    assert order.places == ()
    assert order.applied(table) is table


def test_one_stump_tells_what_forty_categories_say() -> None:
    options = Baseline(n_estimators=1, max_depth=1, learning_rate=1.0, subsample=1.0, colsample_bytree=1.0)
    asked = [Boosting(options, 1, 1, Budget(60.0), codes) for codes in (CODES, Codes())]
    ordered, counted = (boost(BinaryHead("none"), coded(2_000, 0), coded(500, 1), one) for one in asked)
    truth = coded(500, 1).labels.numpy() > 0.5
    assert np.mean((ordered.held[:, 0] > 0.5) == truth) > 0.9
    assert np.mean((counted.held[:, 0] > 0.5) == truth) < 0.7


@pytest.mark.parametrize("codes", [CODES, Codes()])
def test_the_graph_gives_what_the_trees_give_to_the_bit(codes: Codes) -> None:
    made = boost(BinaryHead("none"), coded(1_000, 0), coded(300, 1), Boosting(Baseline(), 1, 1, Budget(60.0), codes))
    graph = stacked(made.trees.graph(3), 1, 2, made.order.places)
    rows = coded(400, 2)
    # Missing, unknown and the last hour, which training never saw.
    rows.codes[:3] = torch.tensor([[0, 0], [1, 24], [41, 24]])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"values": rows.values.numpy(), "codes": rows.codes.numpy()})
    np.testing.assert_allclose(given, made.answer(rows), atol=1e-6, rtol=0)
