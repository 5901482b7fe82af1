"""Features of a table are the same however they are written."""

from pathlib import Path

import polars as pl
import pytest

from components.data.results import Split
from components.declaration.features import FeatureStep
from components.features.recipe import fit_recipe
from components.kinds.tabular import preparation
from data_contracts.contract import Contract, column


class Sale(Contract):
    """One sale."""

    when: str = column("Day", example="2020-01-01")
    price: float = column("Price", gt=0)
    count: int | None = column("Pieces", ge=0)
    bought: bool = column("Bought", roles=("label",), available="after")


def test_features_are_the_same_written_whole_or_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.parquet"
    frame = pl.DataFrame({"when": ["a"] * 50, "price": [float(n) for n in range(50)], "count": [1] * 50})
    frame.with_columns(pl.Series("bought", [True, False] * 25)).write_parquet(path)
    split = Split(name="train", path=path, features=None, rows=50, positives=0.5)
    step = FeatureStep(transform="standardise", fields=("price",))
    recipe = fit_recipe(pl.scan_parquet(path), [step], Sale.spec())
    monkeypatch.setattr(preparation, "sample_step", lambda rows: 3)
    picked = preparation._write_features({"train": split}, recipe, Sale.spec())["train"]
    assert picked.equals(pl.read_parquet(path).gather_every(3))
    whole = pl.read_parquet(preparation.features_path(path))
    monkeypatch.setattr(preparation, "BLOCK", 7)
    assert preparation._write_features({"train": split}, recipe, Sale.spec())["train"].equals(picked)
    assert pl.read_parquet(preparation.features_path(path)).equals(whole)
