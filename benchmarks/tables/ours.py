"""A table through our own functions: split, features, every candidate, the one that ships. No flow, no server."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.tables.data import Table, Target
from components.catalog import find_kind
from components.data.preparation import prepare
from components.data.results import Prepared, Validated
from components.declaration.features import FeatureStep
from components.declaration.split import RandomSplit, SplitRule, StratifiedSplit
from components.settings import Settings
from components.store.reference import Reference
from components.training.part import TrainingPart
from data_contracts.description.spec import ContractSpec, FieldSpec

METRIC: dict[Target, str] = {"binary": "log_loss", "multiclass": "cross_entropy", "regression": "rmse"}


@dataclass(frozen=True)
class Model:
    """Answers to the test rows, and what they took."""

    answers: NDArray[np.float32]
    seconds: float
    size_mb: float


@dataclass(frozen=True)
class Ours:
    """Every candidate by name, and which one ships; ``prepared`` holds the split that everybody is judged on."""

    candidates: dict[str, Model]
    ships: str
    prepared: Prepared


def contract_of(table: Table) -> ContractSpec:
    """Return the contract that a table keeps."""
    return ContractSpec(
        name=table.name,
        description="A table of the benchmark",
        fields=tuple(_field(table, name) for name in table.frame.columns),
    )


def _field(table: Table, name: str) -> FieldSpec:
    column = table.frame[name]
    dtypes = {pl.Boolean: "boolean", pl.String: "string", pl.Date: "date", pl.Datetime: "datetime"}
    dtype = dtypes.get(column.dtype.base_type(), "integer" if column.dtype.is_integer() else "number")
    if name != table.label:
        return FieldSpec(name=name, dtype=dtype, description=name, nullable=column.null_count() > 0)
    classes = tuple(sorted(column.unique())) if table.target == "multiclass" else ()
    return FieldSpec(name=name, dtype=dtype, description=name, allowed=classes, roles=("label",), available="after")


def split_of(table: Table) -> SplitRule:
    """Return 70, 15 and 15 % of the rows, by class where there are classes."""
    if table.target == "regression":
        return RandomSplit(by="random")
    return StratifiedSplit(by="stratified", min_class_rows=1)


def features_of(contract: ContractSpec) -> tuple[FeatureStep, ...]:
    """Return what is made of each type of field."""
    text = tuple(field.name for field in contract.inputs if field.dtype == "string")
    moments = tuple(field.name for field in contract.inputs if field.dtype in ("date", "datetime"))
    numbers = tuple(field.name for field in contract.inputs if field.name not in (*text, *moments))
    steps = [
        FeatureStep(transform="category", fields=text, min_count=2) if text else None,
        FeatureStep(transform="date_parts", fields=moments) if moments else None,
        FeatureStep(transform="standardise", fields=numbers) if numbers else None,
    ]
    return tuple(step for step in steps if step is not None)


def prepared_table(table: Table, folder: Path, settings: Settings) -> Prepared:
    """Return a table divided, with its features."""
    contract = contract_of(table)
    rows, mask = folder / "rows.parquet", folder / "mask.parquet"
    kept = table.frame.with_columns(pl.col(pl.Float64).fill_nan(None))
    kept.cast({pl.Int32: pl.Int64}).write_parquet(rows)
    pl.DataFrame({"kept": [True] * kept.height}).write_parquet(mask)
    validated = Validated(
        digest=table.name,
        stored=Reference.of_path(rows),
        stored_mask=Reference.of_path(mask),
        rows=kept.height,
        quarantined=0,
        stored_quarantine=None,
        reasons={},
    )
    preparation = find_kind("tabular").preparation
    return prepare(validated, split_of(table), features_of(contract), contract, settings.folder(), preparation)


def train_ours(table: Table, folder: Path, settings: Settings, options: dict[str, object]) -> Ours:
    """Train every candidate as a build does, with the options of the kind that are given."""
    started = perf_counter()
    prepared = prepared_table(table, folder, settings)
    part = TrainingPart.model_validate(
        {
            "kind": "tabular",
            "goal": {"metric": METRIC[table.target], "unit": None, "training_usd": 1.0},
            "model": options,
            "seed": 2013,
        }
    )
    training = folder / "training"
    training.mkdir()
    trained = find_kind("tabular").train(prepared, part, contract_of(table), training, settings, lambda *_: None)
    taken = perf_counter() - started
    made = {}
    for one in trained.candidates:
        test = pl.read_parquet(one.predictions).filter(pl.col("split") == "test").sort("row")["answer"]
        answers = np.stack(test.to_list()).astype(np.float32)
        seconds = taken if one.name == trained.chosen else one.seconds
        made[one.name] = Model(answers, seconds, one.model.stat().st_size / 1e6)
    return Ours(made, trained.chosen, prepared)
