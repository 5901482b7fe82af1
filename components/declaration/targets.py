"""What can be predicted, and the shape of answers about it."""

from collections.abc import Mapping
from typing import Literal

from components.artefacts.answer_shape import AnswerShape, Binary, Multiclass, Regression
from data_contracts.description.spec import ContractSpec

Target = Literal["binary", "multiclass", "regression", "quantiles"]


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
