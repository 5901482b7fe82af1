"""A small prepared data set, made by the real recipe, for tests of training."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from components.data.results import Prepared, Split
from components.declaration.loading import parse_workload
from components.declaration.workload import Workload
from components.features.recipe import fit_recipe, write_recipe
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec


class Parcel(Contract):
    """A parcel that may come late."""

    sent: datetime = column("When it was sent", roles=("time",), example="2026-01-01T08:00:00")
    depot: str | None = column("Where from", roles=("slice",), example="north")
    weight: float | None = column("Weight", unit="kg", ge=0, example=2.5)
    distance: float = column("Distance", unit="km", ge=0, example=120.0)
    late: bool = column("Came late", roles=("label",), available="after")


WORKLOAD = {
    "goal": {
        "statement": "Tell which parcels come late: auc at least 0.6, 50 ms, 0.1 USD a training, 0.01 USD a thousand.",
        "metric": "auc",
        "direction": "at_least",
        "threshold": 0.6,
        "latency_p95_ms": 50,
        "training_usd": 0.1,
        "serving_usd_per_1000": 0.01,
    },
    "name": "parcels",
    "kind": "tabular",
    "contract": "tests.parcels:Parcel",
    "source": {"path": "parcels.parquet"},
    "split": {
        "by": "time",
        "train": {"start": "2026-01-01", "end": "2026-02-28"},
        "validation": {"start": "2026-03-01", "end": "2026-03-31"},
        "test": {"start": "2026-04-01", "end": "2026-04-30"},
    },
    "features": [
        {"transform": "category", "fields": ["depot"]},
        {"transform": "time_of_day", "fields": ["sent"]},
        {"transform": "standardise", "fields": ["weight", "distance"]},
    ],
    "seed": 7,
}


def parcels_workload(**model: object) -> Workload:
    """Return the workload; keyword arguments are its ``model`` section."""
    small = {
        "epochs": 4,
        "linear": False,
        "batch_size": 64,
        "learning_rate": 0.01,
        "hidden": [16],
        "baseline": {"n_estimators": 20},
    }
    return parse_workload({**WORKLOAD, "model": small | model}, "parcels.yaml")


def parcels_spec() -> ContractSpec:
    """Return the contract of a parcel."""
    return Parcel.spec()


def make_parcels(rows: int, start: datetime, seed: int) -> pl.DataFrame:
    """Return parcels whose lateness depends on distance, depot and the hour, with some values missing."""
    random = np.random.default_rng(seed)
    depot = random.choice(["north", "south", "east", "west"], rows)
    distance = random.gamma(2.0, 80.0, rows)
    hour = random.integers(0, 24, rows)
    logit = (distance - 160) / 80 + 1.2 * (depot == "south") + 0.8 * np.sin(hour / 24 * 2 * np.pi) - 1
    late = random.random(rows) < 1 / (1 + np.exp(-logit))
    weight = np.where(random.random(rows) < 0.1, np.nan, random.gamma(2.0, 2.0, rows))
    sent = [start + timedelta(days=int(day), hours=int(h)) for day, h in zip(np.arange(rows) % 27, hour, strict=True)]
    frame = pl.DataFrame({"sent": sent, "depot": depot, "weight": weight, "distance": distance, "late": late})
    return frame.with_columns(
        pl.col("weight").fill_nan(None),
        pl.when(pl.int_range(pl.len()) % 17 != 0).then("depot"),
    )


def prepare_parcels(folder: Path, workload: Workload, rows: int = 1500) -> Prepared:
    """Write splits, features and recipe as the data stage does, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = {"train": datetime(2026, 1, 1), "validation": datetime(2026, 3, 1), "test": datetime(2026, 4, 1)}
    frames = {
        name: make_parcels(rows if name == "train" else rows // 2, start, seed)
        for seed, (name, start) in enumerate(starts.items())
    }
    recipe = fit_recipe(frames["train"].lazy(), workload.features, parcels_spec())
    (folder / "recipe.json").write_bytes(write_recipe(recipe))
    splits = {}
    for name, frame in frames.items():
        raw, features = folder / f"{name}.parquet", folder / f"{name}.features.parquet"
        frame.write_parquet(raw)
        label = frame["late"].cast(pl.UInt8).alias("label")
        recipe.apply(frame.lazy()).collect().with_columns(label).write_parquet(features)
        splits[name] = Split(name=name, path=raw, features=features, rows=len(frame), positives=frame["late"].mean())
    return Prepared(
        digest="parcels",
        path=folder,
        assets={"recipe.json": folder / "recipe.json"},
        splits=splits,
        facts={
            "values": recipe.values,
            "codes": {feature.name: feature.cardinality for feature in recipe.codes},
        },
    )
