"""How the labels of validation and test differ: a calibration that was fitted on the one may not hold on the other."""

from typing import Any

import polars as pl

from components.data.results import Prepared
from components.declaration.targets import target_of
from components.evaluation.hold_out import labels_of
from data_contracts.description.spec import ContractSpec


def label_means(prepared: Prepared, contract: ContractSpec) -> dict[str, dict[str, Any]]:
    """Return mean, standard deviation and rows of the label in validation and test; of classes nothing."""
    if target_of(contract) == "multiclass":
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name in ("validation", "test"):
        if name not in prepared.splits:
            continue
        rows = pl.read_parquet(prepared.splits[name].path, glob=False, columns=[contract.label.name])
        labels = pl.Series(labels_of(rows, contract)).cast(pl.Float64)
        of = "yes" if target_of(contract) == "binary" else "number"
        # A single row has no deviation.
        deviation = labels.std() if len(labels) > 1 else 0.0
        found[name] = {"of": of, "mean": labels.mean(), "deviation": deviation, "rows": len(labels)}
    return found
