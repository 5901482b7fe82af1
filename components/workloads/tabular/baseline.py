"""Gradient-boosted trees: what a network has to beat, and the model that is packaged when it does not."""

import json
from typing import Any

import numpy as np
import onnx
import xgboost
from numpy.typing import NDArray
from onnxmltools.convert import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from components.training_guards import Budget, Stop
from components.workloads.tabular.data import Table
from components.workloads.tabular.options import Baseline

# Features of one row computed in Polars and in ONNX Runtime differ by less than this, relative to their size.
TWINS = 1e-6


class _Deadline(xgboost.callback.TrainingCallback):
    """Ends boosting when the budget is used up."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return self._stop.spent >= self._stop.budget.seconds


def fit_trees(
    train: Table, validation: Table, options: Baseline, *, seed: int, threads: int, budget: Budget
) -> xgboost.XGBClassifier:
    """Boost histogram trees until the validation log-loss no longer falls, or the budget is used up.

    Only the best trees are kept, and every threshold lies halfway between two training values.
    """
    matrix = _without_twins(train.matrix())
    model = xgboost.XGBClassifier(
        n_estimators=options.n_estimators,
        max_depth=options.max_depth,
        learning_rate=options.learning_rate,
        subsample=options.subsample,
        colsample_bytree=options.colsample_bytree,
        min_child_weight=options.min_child_weight,
        early_stopping_rounds=options.patience,
        eval_metric="logloss",
        tree_method="hist",
        random_state=seed,
        n_jobs=threads,
        callbacks=[_Deadline(Stop(budget))],
    )
    model.fit(
        matrix,
        train.labels.numpy().astype(np.int32),
        eval_set=[(validation.matrix(), validation.labels.numpy().astype(np.int32))],
        verbose=False,
    )
    return _at_midpoints(model, matrix)


def _without_twins(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix with values that differ by rounding alone (the sines of 9:00 and 15:00) made equal."""
    return np.stack([_snapped(column) for column in matrix.T], axis=1)


def _snapped(column: NDArray[np.float32]) -> NDArray[np.float32]:
    values, places = np.unique(column, return_inverse=True)
    reach = TWINS * np.maximum(1.0, np.abs(values))
    # A cell bounds how far a chain of close values can reach, so that a dense column keeps its shape.
    cell = np.floor((values - values[0]) / (8 * reach))
    apart = (np.diff(values, prepend=-np.inf) > reach) | (np.diff(cell, prepend=-1.0) != 0)
    first = np.flatnonzero(apart)
    snapped: NDArray[np.float32] = values[first[np.cumsum(apart) - 1]][places]
    return snapped


def _at_midpoints(model: xgboost.XGBClassifier, matrix: NDArray[np.float32]) -> xgboost.XGBClassifier:
    """Return the best trees with every threshold moved halfway to the next lower training value.

    XGBoost puts a threshold on a value of the data, so that a last-bit difference of a feature between Polars and ONNX
    Runtime (a sine, say) sends the row down the other branch: one flight in ten differed, by up to 0.09. Halfway,
    every training row still goes where it went.
    """
    best = model.get_booster()[: model.best_iteration + 1]
    document = json.loads(best.save_raw("json"))
    values = [np.unique(column) for column in matrix.T]
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        parts = zip(tree["split_conditions"], tree["split_indices"], tree["left_children"], strict=True)
        tree["split_conditions"] = [
            condition if left == -1 else _midpoint(values[feature], np.float32(condition))
            for condition, feature, left in parts
        ]
    moved = xgboost.XGBClassifier(n_jobs=model.n_jobs)
    moved.load_model(bytearray(json.dumps(document).encode()))
    return moved


def _midpoint(values: NDArray[np.float32], threshold: np.float32) -> float:
    """Return a threshold between the values below it and the first that is not; without either, it stays."""
    place = int(np.searchsorted(values, threshold, side="left"))
    if place == 0 or place == len(values):
        return float(threshold)
    middle = np.float32((float(values[place - 1]) + float(values[place])) / 2)
    # Neighbours in float32 have nothing between them.
    return float(middle if middle > values[place - 1] else values[place])


def tree_answers(model: xgboost.XGBClassifier, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of yes, [rows], as XGBoost itself computes it."""
    answers: NDArray[np.float32] = model.predict_proba(matrix)[:, 1].astype(np.float32)
    return answers


def tree_graph(model: xgboost.XGBClassifier, columns: int) -> onnx.ModelProto:
    """Return the trees as ONNX: ``input`` float32 [rows, columns] to ``probabilities`` [rows, 2]."""
    # The default name is a random one. 15 is the newest opset onnxmltools 1.16 writes; these nodes read the same since.
    graph: onnx.ModelProto = convert_xgboost(
        model, name="trees", initial_types=[("input", FloatTensorType([None, columns]))], target_opset=15
    )
    return graph
