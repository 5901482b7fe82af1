"""What can be predicted and how it is scored: names alone, so that reading a workload file stays quick."""

from collections.abc import Mapping
from typing import Literal

from components.artefacts.answer_shape import AnswerShape, Binary, Multiclass, Regression
from data_contracts.description.spec import ContractSpec

Target = Literal["binary", "multiclass", "regression", "quantiles"]
# What a goal may ask for; quantile metrics are measured, not yet asked for.
Metric = Literal["auc", "pr_auc", "log_loss", "brier", "macro_f1", "accuracy", "cross_entropy", "rmse", "mae", "r2"]
# What a floor may ask of one class besides.
FloorMetric = Literal[Metric, "recall", "precision", "f1"]
CLASS_METRICS = ("recall", "precision", "f1")

# Answers: probability of yes [rows]; probabilities [rows, classes] for labels 0, 1, ...; numbers [rows];
# quantiles in rising order [rows, quantiles], of which the outermost two are the interval.
METRICS: dict[Target, tuple[str, ...]] = {
    "binary": ("auc", "pr_auc", "log_loss", "brier"),
    "multiclass": ("macro_f1", "accuracy", "cross_entropy"),
    "regression": ("rmse", "mae", "r2"),
    "quantiles": ("coverage", "width"),
}
HIGHER_IS_BETTER = {
    "auc": True,
    "pr_auc": True,
    "log_loss": False,
    "brier": False,
    "macro_f1": True,
    "accuracy": True,
    "cross_entropy": False,
    "rmse": False,
    "mae": False,
    "r2": True,
    "coverage": True,
    "width": False,
}
# Errors that are in the label's own unit: hours of hours.
IN_LABEL_UNIT = ("rmse", "mae", "pinball", "width")


# As a person writes them.
TITLES = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "macro_f1": "macro F1",
    "cross_entropy": "cross-entropy",
    "rmse": "root mean square error",
    "mae": "mean absolute error",
    "r2": "R²",
    "f1": "F1",
}


def title_of(metric: str) -> str:
    """Return a metric's name as a person writes it."""
    return TITLES.get(metric, metric.replace("_", " "))


def limits_of(metric: str) -> tuple[float, float]:
    """Return the smallest and the largest value that a metric can have."""
    if metric in ("log_loss", "cross_entropy", "rmse", "mae", "width"):
        return 0.0, float("inf")
    return (float("-inf"), 1.0) if metric == "r2" else (0.0, 1.0)


def classes_of(contract: ContractSpec) -> tuple[str, ...]:
    """Return the names of the classes that the contract's label tells apart, in the order of their places.

    Of two the second is what the probability is of.
    """
    return ("no", "yes") if contract.label.dtype == "boolean" else tuple(str(one) for one in contract.label.allowed)


def target_of(contract: ContractSpec) -> Target:
    """Return what kind of answer the contract's label asks for."""
    if contract.label.dtype == "boolean" or len(contract.label.allowed) == 2:
        return "binary"
    return "multiclass" if contract.label.allowed else "regression"


def label_unit(contract: ContractSpec) -> str:
    """Return what a label that is a number counts, as the contract says it; empty for other labels."""
    return contract.label.unit if target_of(contract) == "regression" else ""


def shape_of(
    contract: ContractSpec,
    *,
    threshold: float = 0.5,
    misses: Mapping[str, float] | None = None,
    quantiles: tuple[float, ...] = (),
    scale: float = 1.0,
    buckets: tuple[float, ...] = (),
) -> AnswerShape:
    """Return the shape of answers about the contract's label.

    ``threshold`` decides yes or no, ``misses`` are what it costs to miss a class (1 where not said); ``quantiles``,
    ``scale`` and ``buckets`` are of numbers.
    """
    label, target = contract.label, target_of(contract)
    if target == "binary":
        return Binary(label=label.name, threshold=threshold, classes=label.allowed)
    if target == "multiclass":
        weights = tuple((misses or {}).get(str(one), 1.0) for one in label.allowed)
        return Multiclass(label=label.name, classes=label.allowed, weights=weights)
    return Regression(label=label.name, scale=scale, buckets=buckets, quantiles=quantiles)
