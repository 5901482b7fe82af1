"""Isotonic calibration: the observed rate as a rising function of the answer, without a shape in mind.

Zadrozny & Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates (KDD 2002).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.kinds.tabular.calibration import TINY, Nodes, Numbers

# Groups of rows of about the same answer, and so corners of a function: each costs a little on every row.
CORNERS = 64


@dataclass(frozen=True)
class Rising:
    """Straight lines between corners (x rising, y not falling), flat outside of them; one a column.

    Several columns are classes: each is calibrated against all others, and what comes out is divided by its sum.
    """

    corners: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]

    def apply(self, raw: Numbers) -> Numbers:
        columns = np.stack([np.interp(raw[:, at], x, y) for at, (x, y) in enumerate(self.corners)], axis=1)
        if len(self.corners) == 1:
            return columns
        shares: Numbers = columns / columns.sum(axis=1, keepdims=True)
        return shares

    def add_to(self, nodes: Nodes, raw: str) -> str:
        columns = [self._column(nodes, raw, at) for at in range(len(self.corners))]
        if len(columns) == 1:
            return columns[0]
        together = nodes.add("Concat", *columns, axis=1)
        total = nodes.add("ReduceSum", together, nodes.constant([1], np.int64), keepdims=1)
        return nodes.add("Div", together, total)

    def _column(self, nodes: Nodes, raw: str, at: int) -> str:
        """Sum up, corner after corner, what each piece has added by the time it reaches the answer: [rows, 1]."""
        x, y = (np.array(values) for values in self.corners[at])
        value = nodes.add("Gather", raw, nodes.constant([at], np.int64), axis=1)
        if len(x) == 1:
            return nodes.add("Add", nodes.add("Mul", value, nodes.constant(0.0)), nodes.constant(y[0]))
        gone = nodes.add("Sub", value, nodes.constant(x[None, :-1]))
        inside = nodes.add("Min", nodes.add("Max", gone, nodes.constant(0.0)), nodes.constant(np.diff(x)[None]))
        risen = nodes.add("MatMul", inside, nodes.constant((np.diff(y) / np.diff(x))[:, None]))
        return nodes.add("Add", risen, nodes.constant(y[0]))


def fit_rising(labels: NDArray[Any], raw: Numbers) -> Rising:
    """Return the isotonic regression of the labels on the raw probabilities, class by class if there are several."""
    truths = [labels] if raw.shape[1] == 1 else [labels == place for place in range(raw.shape[1])]
    return Rising(tuple(_corners(raw[:, at], truth) for at, truth in enumerate(truths)))


def _corners(answers: Numbers, truth: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean answer and fitted rate of groups of equal size.

    Single rows would make steps, which turn the last bit of an answer into a difference, and ties of what was ranked.
    """
    from sklearn.isotonic import IsotonicRegression

    groups = np.array_split(np.argsort(answers, kind="stable"), min(CORNERS, len(answers)))
    means = np.array([np.float32(answers[group].mean()) for group in groups], np.float64)
    x, places = np.unique(means, return_inverse=True)
    rows = np.bincount(places, [len(group) for group in groups])
    rates = np.bincount(places, [float(truth[group].sum()) for group in groups]) / rows
    fitted = IsotonicRegression().fit_transform(x, rates, sample_weight=rows)
    # Never sure: what was not seen among so many rows is rare, not impossible.
    least = max(TINY, 0.5 / len(truth))
    y = np.clip(fitted, least, 1 - least).astype(np.float32)
    return tuple(x.tolist()), tuple(float(value) for value in y)
