"""Several classes: a logit for each, in the order of the contract."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray
from torch import Tensor, nn

from components.kinds.tabular.calibration import AsItIs, Calibration, fit_temperature
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Raw
from components.kinds.tabular.isotonic import fit_rising
from components.kinds.tabular.options import CalibrationMethod
from components.kinds.tabular.trees import Classifier, Learner


@dataclass(frozen=True)
class MulticlassHead:
    """``weights`` are of the classes, trees included; ``gamma`` above 0 makes it the focal loss (Lin et al. 2017)."""

    columns: int
    calibration: CalibrationMethod
    weights: tuple[float, ...] | None = None
    gamma: float = 0.0
    tensor: str = "probabilities"

    def plain(self) -> "MulticlassHead":
        return replace(self, weights=None, gamma=0.0)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        targets = labels.long().unsqueeze(1).expand(logits.shape[:2])
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        if self.gamma:
            losses = losses * (1 - torch.exp(-losses)) ** self.gamma
        if self.weights is not None:
            losses = losses * torch.tensor(self.weights, device=logits.device)[targets.flatten()]
        return losses.mean()

    def raw(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits, dim=2).mean(dim=1)

    @property
    def classes(self) -> int:
        return self.columns

    @property
    def learners(self) -> tuple[Learner, ...]:
        weigh = None if self.weights is None else np.array(self.weights).__getitem__
        return (Learner(xgboost.XGBClassifier, {"objective": "multi:softprob", "eval_metric": "mlogloss"}, weigh),)

    def as_learnt(self, table: Table) -> Table:
        return table

    def trees(self, models: Sequence[Any]) -> Classifier:
        return Classifier(models[0])

    def calibrate(self, labels: NDArray[np.float32], raw: Raw) -> Calibration:
        wide = raw.astype(np.float64)
        if self.calibration == "none":
            return AsItIs()
        return fit_rising(labels, wide) if self.calibration == "isotonic" else fit_temperature(labels, wide)
