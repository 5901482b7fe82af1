"""Numbers: the mean (or, where the goal is the absolute error, the median) and the quantiles that were asked for.

Models learn the label in standard deviations from its mean; the calibration takes their answers back to its units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray
from torch import Tensor

from components.kinds.tabular.calibration import Calibration, Nodes, Numbers
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Raw
from components.kinds.tabular.trees import Learner, Regressors

# How sharp the corner of the pinball loss is, in the label's deviations: L-BFGS needs a slope everywhere.
SHARPNESS = 50.0
MEDIAN = 0.5
MEAN_OBJECTIVE: dict[str, Any] = {"objective": "reg:squarederror", "eval_metric": "rmse"}


@dataclass(frozen=True)
class Shifted:
    """Numbers in the label's own units, quantiles in order; each column may be moved by what it was off on validation.

    Moving a quantile until as many labels lie below it as should is conformalised quantile regression with one
    constant a quantile (Romano, Patterson & Candès, NeurIPS 2019); sorting what crosses never makes it worse
    (Chernozhukov, Fernández-Val & Galichon 2010).
    """

    mean: float
    deviation: float
    shifts: tuple[float, ...]

    def apply(self, raw: Numbers) -> Numbers:
        moved = raw * self.deviation + (self.mean + np.array(self.shifts))
        return np.concatenate([moved[:, :1], np.sort(moved[:, 1:], axis=1)], axis=1)

    def add_to(self, nodes: Nodes, raw: str) -> str:
        offset = nodes.constant(self.mean + np.array(self.shifts)[None])
        moved = nodes.add("Add", nodes.add("Mul", raw, nodes.constant(self.deviation)), offset)
        quantiles = len(self.shifts) - 1
        if quantiles < 2:
            return moved
        first = nodes.add("Gather", moved, nodes.constant([0], np.int64), axis=1)
        rest = nodes.add("Gather", moved, nodes.constant(range(1, quantiles + 1), np.int64), axis=1)
        return nodes.add("Concat", first, nodes.sort(rest, quantiles), axis=1)


@dataclass(frozen=True)
class RegressionHead:
    """``levels`` are the quantiles beside the number; ``median`` makes the number the median.

    ``shift`` moves every column by what it was off on validation.
    """

    mean: float
    deviation: float
    levels: tuple[float, ...] = ()
    median: bool = False
    shift: bool = False

    @property
    def columns(self) -> int:
        return 1 + len(self.levels)

    @property
    def tensor(self) -> str:
        return "value"

    def plain(self) -> "RegressionHead":
        return self

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        apart = ((labels - self.mean) / self.deviation)[:, None] - logits.movedim(2, 0)
        total = _pinball(apart[0], MEDIAN) if self.median else 0.5 * apart[0].square().mean()
        for place, level in enumerate(self.levels, start=1):
            total = total + _pinball(apart[place], level)
        return total

    def raw(self, logits: Tensor) -> Tensor:
        return logits.mean(dim=1)

    @property
    def classes(self) -> int:
        return 0

    @property
    def learners(self) -> tuple[Learner, ...]:
        asked = [MEAN_OBJECTIVE if not self.median else _quantile(MEDIAN), *map(_quantile, self.levels)]
        return tuple(Learner(xgboost.XGBRegressor, objective) for objective in asked)

    def as_learnt(self, table: Table) -> Table:
        return replace(table, labels=(table.labels - self.mean) / self.deviation)

    def trees(self, models: Sequence[Any]) -> Regressors:
        return Regressors(tuple(models))

    def calibrate(self, labels: NDArray[np.float32], raw: Raw) -> Calibration:
        unmoved = Shifted(self.mean, self.deviation, (0.0,) * self.columns)
        if not self.shift:
            return unmoved
        apart = labels.astype(np.float64)[:, None] - (raw.astype(np.float64) * self.deviation + self.mean)
        first = np.median(apart[:, 0]) if self.median else np.mean(apart[:, 0])
        rest = [np.quantile(apart[:, place], level) for place, level in enumerate(self.levels, start=1)]
        return replace(unmoved, shifts=tuple(float(np.float32(shift)) for shift in (first, *rest)))


def _quantile(level: float) -> dict[str, Any]:
    return {"objective": "reg:quantileerror", "eval_metric": "quantile", "quantile_alpha": level}


def _pinball(apart: Tensor, level: float) -> Tensor:
    """Return the mean of the smoothed pinball loss of truth - answer."""
    softened = torch.nn.functional.softplus(-apart * SHARPNESS) / SHARPNESS
    return (level * apart + softened).mean()
