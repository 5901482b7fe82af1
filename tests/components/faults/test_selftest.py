"""The mutation score of the gates, on a small workload with a real graph: every planted fault must be caught."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from components.artefacts.answer_shape import Binary
from components.artefacts.build import ServingSpec, open_build, seal
from components.artefacts.storage import digest_file, write_atomically, write_json
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.catalog import find_kind
from components.data.results import Prepared, Split
from components.declaration.loading import parse_workload, read_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence
from components.faults.bench import Bench, Fault, make_bench
from components.faults.selftest import FAULTS, applicable, run_selftest
from components.features.recipe import Recipe, fit_recipe, recipe_graph, write_recipe
from components.gates.judge import judge
from components.training.onnx_export import join
from components.training.results import Candidate, HardwareChoice, Trained
from data_contracts.flights import Flight

CONTRACT = Flight.spec()
ROWS = 3_000
START = {"train": datetime(2013, 1, 1), "validation": datetime(2013, 9, 1), "test": datetime(2013, 10, 1)}


def rows_of(split: str) -> pl.DataFrame:
    """Return contract rows whose label depends on distance, wind and carrier."""
    random = np.random.default_rng(len(split))
    size = ROWS
    carrier = random.choice(["AA", "DL", "UA", "ZZ"] if split == "test" else ["AA", "DL", "UA"], size)
    distance, wind = random.uniform(100, 2500, size).round(1), random.uniform(0, 30, size)
    logit = 1.2 * (distance - 1300) / 700 + 0.9 * (wind - 15) / 9 + np.where(carrier == "AA", 1.0, -0.4) - 0.5
    values: dict[str, object] = {
        "scheduled_departure": [START[split] + timedelta(minutes=14 * int(n)) for n in range(size)],
        "scheduled_arrival": random.integers(0, 1440, size),
        "carrier": carrier,
        "origin": random.choice(["EWR", "JFK", "LGA"], size),
        "destination": random.choice(["ORD", "LAX"], size),
        "distance": distance,
        "wind_speed": pl.Series(np.where(random.random(size) < 0.05, np.nan, wind)).fill_nan(None),
        "late": random.random(size) < 1 / (1 + np.exp(-logit)),
    }
    dtypes = {"integer": pl.Int64, "number": pl.Float64, "string": pl.String}
    missing = {
        f.name: pl.Series([f.example] * size, dtype=dtypes[f.dtype]) for f in CONTRACT.fields if f.name not in values
    }
    return pl.DataFrame(values | missing).select(field.name for field in CONTRACT.fields)


def small_workload() -> Workload:
    document = read_workload("flights").model_dump(mode="json", exclude_none=True)
    document["features"] = [
        {"transform": "standardise", "fields": ["distance", "wind_speed"]},
        {"transform": "category", "fields": ["carrier"]},
    ]
    return parse_workload(document, where="test")


def head(weights: NDArray[np.float32], bias: float, codes: NDArray[np.float32]) -> onnx.ModelProto:
    """Return a logistic model of the recipe's outputs: a weight a value, and one a category."""
    probability = helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])
    values = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["rows", len(weights)])
    given = helper.make_tensor_value_info("codes", TensorProto.INT64, ["rows", 1])
    nodes = [
        helper.make_node("Gather", ["table", "codes"], ["of_code"], axis=0),
        helper.make_node("Concat", ["values", "of_code"], ["joined"], axis=1),
        helper.make_node("Gemm", ["joined", "weights", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    stacked = np.concatenate([weights, [1.0]]).astype(np.float32)[:, None]
    constants = [
        # Wide enough to count as a weight matrix.
        numpy_helper.from_array(np.concatenate([codes, np.zeros(32, np.float32)]), "table"),
        numpy_helper.from_array(stacked, "weights"),
        numpy_helper.from_array(np.array([bias], np.float32), "bias"),
    ]
    graph = helper.make_graph(nodes, "head", [values, given], [probability], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def fitted(folder: Path, recipe: Recipe, train: pl.DataFrame, noise: float, name: str) -> Candidate:
    """Fit a logistic model, export it behind the recipe and keep its own answers on the hold-out."""
    features = recipe.apply(train.lazy()).collect()
    values = features.select(recipe.values).to_numpy()
    codes = np.eye(recipe.codes[0].cardinality)[features[recipe.codes[0].name].to_numpy()]
    model = LogisticRegression().fit(np.hstack([values, codes]), train["late"].to_numpy())
    weights = model.coef_[0] * (1 - noise)
    parts = weights[: values.shape[1]].astype(np.float32), weights[values.shape[1] :].astype(np.float32)
    graph = join(recipe_graph(recipe, CONTRACT), head(parts[0], float(model.intercept_[0]), parts[1]))
    path = write_atomically(folder / f"{name}.onnx", graph.SerializeToString())
    return Candidate(
        name=name,
        role="baseline" if name == "linear" else "challenger",
        model=path,
        digest=digest_file(path),
        predictions=folder / f"{name}.parquet",
        score=0.7,
        seconds=1.0,
    )


KIND = find_kind("tabular")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder, workload = tmp_path_factory.mktemp("bench"), small_workload()
    splits = {}
    for name in START:
        rows = rows_of(name)
        rows.write_parquet(folder / f"{name}.parquet")
        ends = [str(rows["scheduled_departure"].min()), str(rows["scheduled_departure"].max())]
        splits[name] = Split(
            name=name, path=folder / f"{name}.parquet", rows=ROWS, positives=None, start=ends[0], end=ends[1]
        )
    train = pl.read_parquet(splits["train"].path)
    recipe = fit_recipe(train.lazy(), workload.features, CONTRACT)
    write_atomically(folder / "recipe.json", write_recipe(recipe))
    candidates = tuple(fitted(folder, recipe, train, noise, name) for name, noise in (("linear", 0.0), ("mlp", 0.0)))
    for one in candidates:
        answers = KIND.predict_file(one.parts, CONTRACT, splits["test"].path)
        table = {"split": ["test"] * ROWS, "row": np.arange(ROWS), "answer": answers}
        pl.DataFrame(table).write_parquet(one.predictions)
    trained = Trained(
        digest="d",
        path=folder,
        candidates=candidates,
        chosen="mlp",
        comparison=None,
        hardware=HardwareChoice(device="cpu", precision="32-true", compile=False, threads=1, reason="a test"),
        seconds=1,
        cost_usd=0.001,
        seed=1,
    )
    prepared = Prepared(
        digest="d",
        path=folder,
        assets={"recipe.json": folder / "recipe.json"},
        splits=splits,
        facts={"values": recipe.values, "codes": {}},
    )
    build = written(folder / "build", candidates[1].model, folder / "recipe.json", workload)
    answered = KIND.predict_file(candidates[1].parts, CONTRACT, splits["test"].path)
    hold_out = pl.read_parquet(splits["test"].path).with_columns(pl.Series("probability", answered))
    hold_out.write_parquet(build / "reference.parquet")
    seal(build, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    key = ensure_key(folder / "signing.pem")
    sign_build(build, key)
    (folder / "scratch").mkdir()
    opened = open_build(build, public_key_path(key))
    return make_bench(
        workload, CONTRACT, prepared, trained, trained.as_trained, opened, KIND.predict_file, folder / "scratch"
    )


def written(folder: Path, model: Path, recipe: Path, workload: Workload) -> Path:
    """Write the files of a build that the faults spoil; it has no hold-out and no manifest yet."""
    folder.mkdir()
    write_atomically(folder / "model.onnx", model.read_bytes())
    (folder / "assets").mkdir()
    write_atomically(folder / "assets" / "recipe.json", recipe.read_bytes())
    write_json(folder / "contract.json", CONTRACT)
    shape = Binary(label="late", threshold=0.5)
    serving = ServingSpec(
        workload="flights", answer=shape, port=8080, max_rows=100, max_body_bytes=10_000, log_predictions=0.0
    )
    write_json(folder / "serving.json", serving)
    evidence = Evidence(workload="flights", model="mlp", split="test", measures=())
    write_atomically(folder / "gates.json", judge(evidence, workload).model_dump_json().encode())
    return folder


# A drift report takes seconds and imports more.
QUICK = tuple(fault for fault in FAULTS if fault.stage != "monitor")


@pytest.mark.parametrize("fault", QUICK, ids=[fault.name for fault in QUICK])
def test_every_planted_fault_is_caught(bench: Bench, fault: Fault) -> None:
    for planted in run_selftest(bench, [fault]):
        assert planted.caught, planted.line


def test_a_fault_that_a_build_cannot_have_is_not_planted(bench: Bench) -> None:
    left = {fault.name for fault in FAULTS} - {fault.name for fault in applicable(bench)}
    assert left == {"quantiles too narrow"}


@pytest.mark.slow
def test_a_drifted_column_is_caught(bench: Bench) -> None:
    assert all(planted.caught for planted in run_selftest(bench, [f for f in FAULTS if f.stage == "monitor"]))


def test_there_are_more_than_twenty_different_faults() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len(FAULTS) >= 20


def test_a_gate_that_refuses_everything_or_nothing_catches_no_fault(bench: Bench) -> None:
    always = Fault("anything", "gate", "goal", lambda bench, planted: {"goal": "no"})
    never = Fault("anything", "gate", "goal", lambda bench, planted: {})
    other = Fault("anything", "gate", "goal", lambda bench, planted: {"parity": "no"} if planted else {})
    results = run_selftest(bench, [always, never, other])
    assert not any(planted.caught for planted in results)
    assert "refused without the fault, too" in results[0].said
    assert "others refused: parity" in results[2].said
