"""What the ``model`` section of a tabular workload may hold. Imports no torch: it is read often."""

from typing import Literal

from pydantic import Field

from components.declaration import Section
from components.training.options import TrainingOptions


class Baseline(Section):
    """XGBoost, histogram trees."""

    n_estimators: int = Field(300, ge=1, le=100_000, description="Trees at most.")
    max_depth: int = Field(6, ge=1, le=30)
    learning_rate: float = Field(0.05, gt=0, le=1)
    subsample: float = Field(0.8, gt=0, le=1, description="Share of rows a tree sees.")
    colsample_bytree: float = Field(0.6, gt=0, le=1, description="Share of columns a tree sees.")
    min_child_weight: float = Field(20, ge=0)
    patience: int = Field(20, ge=1, description="Trees without a lower validation log-loss before boosting stops.")


class TabularOptions(TrainingOptions):
    """Options of tabular models."""

    architecture: Literal["mlp", "tabm"] = Field(
        "mlp", description="mlp: embeddings and a perceptron; tabm: an ensemble of them that shares weights."
    )
    hidden: tuple[int, ...] = Field((256, 128), min_length=1, description="Widths of the hidden layers.")
    members: int = Field(16, ge=1, le=256, description="Members of a tabm ensemble.")
    dropout: float = Field(0.1, ge=0, lt=1)
    class_weight: Literal["none", "balanced"] = Field("none", description="balanced: a rare yes weighs more.")
    focal_gamma: float = Field(0.0, ge=0, le=10, description="Above 0: focal loss, easy rows weigh less.")
    calibration: Literal["none", "temperature", "platt"] = Field(
        "platt", description="A line through the logits, fitted on validation and put into the graph."
    )
    baseline: Baseline = Baseline()
    linear: bool = Field(True, description="Also fit logistic regression, the floor.")
