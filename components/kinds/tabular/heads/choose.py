"""The head for a contract's label."""

from collections.abc import Callable

import numpy as np

from components.artefacts.errors import TrainingError
from components.declaration.targets import Target, target_of
from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.binary import BinaryHead
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.heads.multiclass import MulticlassHead
from components.kinds.tabular.heads.regression import RegressionHead
from components.kinds.tabular.options import TabularOptions
from components.training.part import TrainingPart
from data_contracts.description.spec import ContractSpec


def head_of(workload: TrainingPart, options: TabularOptions, contract: ContractSpec, train: Table) -> Head:
    """Return the head for the label, with what the training split says of it."""
    makers: dict[Target, Callable[[], Head]] = {
        "binary": lambda: _binary(options, train),
        "multiclass": lambda: _multiclass(options, contract, train),
        "regression": lambda: _regression(workload, options, train),
    }
    return makers[target_of(contract)]()


def _binary(options: TabularOptions, train: Table) -> BinaryHead:
    share = float(train.labels.mean())
    positive = (1 - share) / share if options.class_weight == "balanced" else 1.0
    return BinaryHead(options.calibration, positive, options.focal_gamma)


def _multiclass(options: TabularOptions, contract: ContractSpec, train: Table) -> MulticlassHead:
    classes = contract.label.allowed
    counts = np.bincount(train.labels.numpy().astype(np.int64), minlength=len(classes))
    if absent := [str(one) for one, count in zip(classes, counts, strict=True) if not count]:
        raise TrainingError(
            f"training has no row with {contract.label.name} = {', '.join(absent)}: take the class out of the "
            "contract, or a period that has it"
        )
    weights = tuple((len(train) / len(classes) / counts).tolist()) if options.class_weight == "balanced" else None
    return MulticlassHead(len(classes), options.calibration, weights, options.focal_gamma)


def _regression(workload: TrainingPart, options: TabularOptions, train: Table) -> RegressionHead:
    labels = train.labels.numpy().astype(np.float64)
    return RegressionHead(
        mean=float(np.float32(labels.mean())),
        deviation=float(np.float32(labels.std())),
        levels=options.quantiles,
        median=workload.goal.metric == "mae",
        shift=options.calibration == "shift",
    )
