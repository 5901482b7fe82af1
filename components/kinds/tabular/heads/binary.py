"""Yes or no: the logit of one probability."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray
from torch import Tensor, nn

from components.kinds.tabular.calibration import AsItIs, Calibration, fit_line
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Raw
from components.kinds.tabular.isotonic import fit_rising
from components.kinds.tabular.options import CalibrationMethod
from components.kinds.tabular.trees import Classifier, Learner


@dataclass(frozen=True)
class BinaryHead:
    """``positive`` is the weight of a yes, trees included; ``gamma`` above 0 makes it the network's focal loss.

    Lin et al. 2017, eq. 4.
    """

    calibration: CalibrationMethod
    positive: float = 1.0
    gamma: float = 0.0
    columns: int = 1
    tensor: str = "probability"

    def plain(self) -> "BinaryHead":
        return replace(self, positive=1.0, gamma=0.0)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits = logits.squeeze(2)
        targets = labels.unsqueeze(1).expand_as(logits)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if self.gamma:
            losses = losses * (1 - torch.exp(-losses)) ** self.gamma
        if self.positive != 1:
            losses = losses * (1 + (self.positive - 1) * targets)
        return losses.mean()

    def raw(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits).mean(dim=1)

    @property
    def classes(self) -> int:
        return 0

    @property
    def learners(self) -> tuple[Learner, ...]:
        weigh = None if self.positive == 1 else lambda labels: np.where(labels > 0, self.positive, 1.0)
        return (Learner(xgboost.XGBClassifier, {"eval_metric": "logloss"}, weigh),)

    def as_learnt(self, table: Table) -> Table:
        return table

    def trees(self, models: Sequence[Any]) -> Classifier:
        return Classifier(models[0], first=1)

    def calibrate(self, labels: NDArray[np.float32], raw: Raw) -> Calibration:
        wide = raw.astype(np.float64)
        if self.calibration == "none":
            return AsItIs()
        if self.calibration == "isotonic":
            return fit_rising(labels, wide)
        return fit_line(labels, wide, offset=self.calibration != "temperature")
