"""Parcels that may come late, learnt by small trees and a small network."""

from pathlib import Path

from components.artefacts.answer_shape import Binary
from components.catalog import find_kind
from components.settings import Settings
from components.training.part import TrainingPart
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels
from tests.kinds.laws import Example


def make_example(folder: Path) -> Example:
    workload = parcels_workload(epochs=1, baseline={"n_estimators": 5})
    prepared = prepare_parcels(folder / "prepared", workload, rows=600)
    (folder / "training").mkdir()
    trained = find_kind("tabular").train(
        prepared, TrainingPart.of(workload), parcels_spec(), folder / "training", Settings(), lambda *_: None
    )
    return Example(parcels_spec(), Binary(label="late", threshold=0.5), prepared, trained)
