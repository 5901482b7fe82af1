"""Flowers of three sorts, learnt by the kind of docs/howto/new_kind.md."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from components.artefacts.answer_shape import Multiclass
from components.catalog import find_kind
from components.data.results import Prepared, Split
from components.settings import Settings
from components.training.part import TrainingGoal, TrainingPart
from data_contracts.contract import Contract, column
from tests.kinds.laws import Example


class Iris(Contract):
    """A flower."""

    length: float = column("Length of a petal", unit="cm", example=1.4)
    width: float = column("Width of a petal", unit="cm", example=0.2)
    sort: Literal["setosa", "versicolor", "virginica"] = column("Sort", roles=("label",), available="after")


def make_example(folder: Path) -> Example:
    random, splits = np.random.default_rng(3), {}
    for name in ("train", "validation", "test"):
        sort = random.integers(0, 3, 150)
        path = folder / f"{name}.parquet"
        pl.DataFrame(
            {
                "length": random.normal(1.4 + 4 * sort, 0.8),
                "width": random.normal(0.2 + 1.8 * sort, 0.4),
                "sort": np.array(["setosa", "versicolor", "virginica"])[sort],
            }
        ).write_parquet(path)
        splits[name] = Split(name=name, path=path, rows=150, positives=None)
    prepared = Prepared(digest="iris", path=folder, splits=splits)
    goal = TrainingGoal(metric="margin", unit=None, training_usd=0.1)
    workload = TrainingPart(kind="nearest", goal=goal, model={}, seed=3)
    (folder / "training").mkdir()
    trained = find_kind("nearest").train(
        prepared, workload, Iris.spec(), folder / "training", Settings(), lambda *_: None
    )
    shape = Multiclass(label="sort", classes=("setosa", "versicolor", "virginica"), weights=(1.0, 1.0, 1.0))
    return Example(Iris.spec(), shape, prepared, trained)
