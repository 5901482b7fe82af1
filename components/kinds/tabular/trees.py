"""Gradient-boosted trees: what a network has to beat, and the model that is packaged when it does not."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
import xgboost
from numpy.typing import NDArray
from onnx import compose
from onnxmltools.convert import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from components.kinds.tabular.data import Table
from components.kinds.tabular.options import Baseline
from components.kinds.tabular.ordering import NO_CODES, Codes
from components.training.guards import Stop
from components.training.onnx_export import answering
from components.training.spending import Budget

# Features of one row computed in Polars and in ONNX Runtime differ by less than this, relative to their size.
TWINS = 1e-6
# Where a threshold lies between two values. Not in the middle: that is where the value of 10:15 lies when training saw
# 10:14 and 10:16, and so on for every simple fraction.
GOLDEN = (math.sqrt(5) - 1) / 2

# Labels [rows] to the weights of their rows [rows].
Weigh = Callable[[NDArray[Any]], NDArray[np.float64]]


@dataclass(frozen=True)
class Boosting:
    """How trees are boosted."""

    options: Baseline
    seed: int
    threads: int
    budget: Budget
    codes: Codes = NO_CODES


class _Deadline(xgboost.callback.TrainingCallback):
    """Ends boosting when the budget is used up."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return self._stop.over()


@dataclass(frozen=True)
class Learner:
    """One estimator of XGBoost's that a head needs; ``weigh`` says what a label's row weighs, in stopping, too."""

    estimator: type[Any]
    objective: Mapping[str, Any]
    weigh: Weigh | None = None

    def fit(self, train: Table, held: Table | None, boosting: Boosting, trees: int | None = None) -> Any:
        """Boost histogram trees until the metric on the held rows no longer gets better, or the budget is used up.

        Without held rows as many ``trees`` as are said.
        """
        options = boosting.options.for_rows(len(train))
        most = options.n_estimators if trees is None else trees
        model = self.estimator(
            n_estimators=most,
            max_depth=options.max_depth,
            learning_rate=options.learning_rate,
            subsample=options.subsample,
            colsample_bytree=options.colsample_bytree,
            min_child_weight=options.min_child_weight,
            early_stopping_rounds=None if held is None else options.patience,
            tree_method="hist",
            random_state=boosting.seed,
            n_jobs=boosting.threads,
            callbacks=[_Deadline(Stop(boosting.budget, most, boosting.threads))],
            **self.objective,
        )
        labels = self._labels(train)
        asked: dict[str, Any] = {"verbose": False}
        if held is not None:
            truth = self._labels(held)
            asked["eval_set"] = [(held.matrix(), truth)]
            asked["sample_weight_eval_set"] = None if self.weigh is None else [self.weigh(truth)]
        weights = None if self.weigh is None else self.weigh(labels)
        model.fit(_without_twins(train.matrix()), labels, sample_weight=weights, **asked)
        return model

    def _labels(self, table: Table) -> NDArray[Any]:
        whole = self.estimator is xgboost.XGBClassifier
        return table.labels.numpy().astype(np.int32 if whole else np.float32)


def losses_of(model: Any) -> list[float]:
    """Return the loss on the held rows after each tree."""
    ((_, losses),) = model.evals_result()["validation_0"].items()
    return [float(loss) for loss in losses]


def rounds_of(model: Any) -> int:
    """Return how many trees (of each class) there are up to the best one."""
    booster = model.get_booster()
    # Not there if the deadline ended boosting at its first tree.
    found = booster.attr("best_iteration")
    return int(booster.num_boosted_rounds()) if found is None else int(found) + 1


def cut_to(model: Any, trees: int) -> Any:
    """Return the model answering with its first trees alone."""
    booster = model.get_booster()
    booster.set_attr(best_iteration=str(min(trees, booster.num_boosted_rounds()) - 1))
    return model


def _without_twins(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix with values that differ by rounding alone (the sines of 9:00 and 15:00) made equal."""
    return np.stack([_snapped(column) for column in matrix.T], axis=1)


def _snapped(column: NDArray[np.float32]) -> NDArray[np.float32]:
    values, places = np.unique(column, return_inverse=True)
    reach = TWINS * np.maximum(1.0, np.abs(values))
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > reach)
    ends = np.append(starts[1:], len(values)) - 1
    # A long chain of close values is a dense column, whose shape matters, and no case of rounding.
    short = values[ends] - values[starts] < 64 * reach[starts]
    groups = np.repeat(np.arange(len(starts)), ends - starts + 1)
    snapped: NDArray[np.float32] = np.where(short[groups], values[starts][groups], values)[places]
    return snapped


def between_values(model: Any, train: Table) -> Any:
    """Return the best trees with every threshold moved towards the next lower training value.

    XGBoost puts a threshold on a value of the data, so that a last-bit difference of a feature between Polars and ONNX
    Runtime (a sine, say) sends the row down the other branch: one flight in ten differed, by up to 0.09. Between
    values, every training row still goes where it went.
    """
    matrix = _without_twins(train.matrix())
    best = model.get_booster()[: rounds_of(model)]
    document = json.loads(best.save_raw("json"))
    values = [np.unique(column) for column in matrix.T]
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        parts = zip(tree["split_conditions"], tree["split_indices"], tree["left_children"], strict=True)
        tree["split_conditions"] = [
            condition if left == -1 else _between(values[feature], np.float32(condition))
            for condition, feature, left in parts
        ]
    # The trees are what they are; only the converter to ONNX does not know the objective of a quantile.
    if document["learner"]["objective"]["name"] == "reg:quantileerror":
        document["learner"]["objective"] = {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
    moved = type(model)(n_jobs=model.n_jobs)
    moved.load_model(bytearray(json.dumps(document).encode()))
    return moved


def _between(values: NDArray[np.float32], threshold: np.float32) -> float:
    """Return a threshold between the values below it and the first that is not; without either, it stays."""
    place = int(np.searchsorted(values, threshold, side="left"))
    if place == 0 or place == len(values):
        return float(threshold)
    below, above = float(values[place - 1]), float(values[place])
    moved = np.float32(below + (above - below) * GOLDEN)
    # Neighbours in float32 have nothing between them.
    return float(moved if moved > values[place - 1] else values[place])


class Trees(Protocol):
    """Boosted trees."""

    def raw(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return raw numbers [rows, columns] as XGBoost itself computes them."""

    def graph(self, features: int) -> onnx.ModelProto:
        """Return the trees as ONNX: ``input`` float32 [rows, features] to one output [rows, columns]."""


@dataclass(frozen=True)
class Classifier:
    """Probabilities of the classes from ``first`` on."""

    model: Any
    first: int = 0

    def raw(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = self.model.predict_proba(matrix)[:, self.first :].astype(np.float32)
        return answers

    def graph(self, features: int) -> onnx.ModelProto:
        # The converter's own name for them is a graph's output elsewhere.
        graph = compose.add_prefix(_converted(self.model, features), "trees/", rename_inputs=False)
        return answering(graph, "trees/probabilities", list(range(self.first, self.model.n_classes_)))


@dataclass(frozen=True)
class Regressors:
    """Numbers, each with trees of its own."""

    models: tuple[Any, ...]

    def raw(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([model.predict(matrix).astype(np.float32) for model in self.models], axis=1)

    def graph(self, features: int) -> onnx.ModelProto:
        graph, *others = (_converted(model, features) for model in self.models)
        (whole,) = graph.graph.node
        for place, other in enumerate(others, start=1):
            _append(whole, other.graph.node[0], place)
        return answering(graph, "variable", None)


def _converted(model: Any, features: int) -> onnx.ModelProto:
    # The default name is a random one. 15 is the newest opset onnxmltools 1.16 writes; these nodes read the same since.
    graph: onnx.ModelProto = convert_xgboost(
        model, name="trees", initial_types=[("input", FloatTensorType([None, features]))], target_opset=15
    )
    return graph


def _append(whole: onnx.NodeProto, other: onnx.NodeProto, target: int) -> None:
    """Put the trees of one regressor behind those of another, as the next target of the same node."""
    parts = {attribute.name: attribute for attribute in other.attribute}
    trees = max(next(a for a in whole.attribute if a.name == "nodes_treeids").ints) + 1
    for attribute in whole.attribute:
        more = parts[attribute.name]
        if attribute.name == "n_targets":
            attribute.i = target + 1
        elif attribute.name == "target_ids":
            attribute.ints.extend([target] * len(more.ints))
        elif attribute.name.endswith("treeids"):
            attribute.ints.extend([tree + trees for tree in more.ints])
        else:
            for values in ("ints", "floats", "strings"):
                getattr(attribute, values).extend(getattr(more, values))
