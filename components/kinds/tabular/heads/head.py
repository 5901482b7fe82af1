"""What depends on the kind of label: loss, answers, trees and calibration; everything else of training does not ask."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from components.kinds.tabular.calibration import Calibration
from components.kinds.tabular.data import Table
from components.kinds.tabular.trees import Learner, Trees

Raw = NDArray[np.float32]


class Head(Protocol):
    """One kind of label. Networks give logits [rows, members, columns], models raw numbers [rows, columns]."""

    @property
    def columns(self) -> int:
        """Numbers a row."""

    @property
    def tensor(self) -> str:
        """Name of the graph's output."""

    def plain(self) -> Self:
        """Return the head without weights of classes: what the linear floor is fitted with."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss over rows and members."""

    def raw(self, logits: Tensor) -> Tensor:
        """Return what the members answer together."""

    @property
    def classes(self) -> int:
        """How many classes the label is one of; 0 for yes or no, and for numbers."""

    @property
    def learners(self) -> tuple[Learner, ...]:
        """What trees are boosted by."""

    def as_learnt(self, table: Table) -> Table:
        """Return a table with its labels as trees learn them."""

    def trees(self, models: Sequence[Any]) -> Trees:
        """Return what the fitted learners answer together."""

    def calibrate(self, labels: NDArray[np.float32], raw: Raw) -> Calibration:
        """Fit what makes the raw numbers mean what they say, on the validation split."""
