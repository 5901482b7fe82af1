"""Fields may have the names that our own columns, counts and tensors once had."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from pydantic import create_model

from components.catalog import find_kind
from components.data.audit.leakage import audit
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.declaration.loading import parse_workload
from components.declaration.source import Source
from components.features.recipe import read_recipe, recipe_graph
from components.monitoring.monitor import split_windows
from components.settings import Home
from data_contracts.contract import Contract, column

TENSORS = ["sub_1", "isnan_2", "constant_0", "fused_0"]
NAMES = ["cell", "rows", "len", "kept", "lane", "code", "count", "window", *TENSORS]
SIZE = 1_200


def contract_of(label: Any, name: str) -> type[Contract]:
    fields: dict[str, Any] = {field: (Literal[0, 1, 2], column(field)) for field in NAMES}
    fields |= {"answer": (float, column("a number")), "moment": (datetime, column("when", roles=("time",)))}
    fields[name] = (label, column("label", roles=("label",), available="after"))
    made: type[Contract] = create_model("Named", __base__=Contract, **fields)
    return made


@pytest.mark.parametrize(
    ("label", "name", "values"),
    [
        (Literal["a", "b"], "len", ["a", "b"]),
        (bool, "label", [True, False]),
        (Literal[1, 5], "label", [1, 5]),
    ],
)
def test_names_of_ours_do_not_clash_with_those_of_fields(
    label: Any, name: str, values: list[Any], document: dict[str, Any], home: Home, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    contract = contract_of(label, name).spec()
    inputs = [field for field in NAMES if field != name]
    frame = pl.DataFrame({field: random.integers(0, 3, SIZE) for field in inputs}).with_columns(
        answer=pl.Series(random.normal(size=SIZE)),
        moment=pl.Series([datetime(2020, 1, 1 + place % 28, place % 24) for place in range(SIZE)]),
    )
    frame = frame.with_columns(pl.Series(name, [values[place] for place in random.integers(0, 2, SIZE)]))
    frame.write_parquet(tmp_path / "rows.parquet")
    changes = {
        "split": {"by": "stratified", "fields": ["cell", "rows"], "min_class_rows": 1},
        "features": [
            {"transform": "category", "fields": [field for field in inputs if field not in TENSORS]},
            *([] if isinstance(values[0], str) else [{"transform": "target_mean", "fields": inputs}]),
            {"transform": "frequency", "fields": inputs},
            {"transform": "cross", "fields": inputs[:2], "min_count": 1},
            {"transform": "standardise", "fields": ["answer", *TENSORS]},
        ],
    }
    workload = parse_workload(document | changes, where="named")
    snapshot = take_snapshot(Source(path=str(tmp_path / "rows.parquet")), contract, home)
    prepared = prepare(
        validate_snapshot(snapshot, contract, home, "named"),
        workload.split,
        workload.features,
        contract,
        home,
        find_kind("tabular").preparation,
    )
    audit(prepared, contract)
    raw, made = (pl.read_parquet(path) for path in (prepared.splits["train"].path, prepared.splits["train"].features))
    assert made["label"].to_list() == [values.index(one) if label is not bool else one for one in raw[name]]
    recipe_graph(read_recipe(prepared.assets["recipe.json"].read_bytes()), contract)
    windows = split_windows(raw, contract, "week")
    assert sum(map(len, windows.values())) == len(raw)
    assert all(part.columns == raw.columns for part in windows.values())
