"""A real small build made without the pipeline: the flights recipe and a logistic model as one ONNX graph."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper

from components.artefacts.answer_shape import AnswerShape
from components.artefacts.build import Golden, ServingSpec, Stations, seal
from components.artefacts.storage import write_atomically, write_json
from components.declaration.loading import read_workload
from components.features.recipe import Recipe, fit_recipe, recipe_graph, write_recipe
from components.kinds.tabular.inference import TabularPredictor
from data_contracts.description.spec import ContractSpec
from data_contracts.flights import Flight, read_flights

LATE = {"target": "binary", "label": "late", "threshold": 0.5}


@dataclass(frozen=True)
class Sample:
    """Some flights, and the recipe of the flights workload fitted on them."""

    contract: ContractSpec
    frame: pl.DataFrame
    recipe: Recipe

    def rows(self, count: int, start: int = 0) -> list[dict[str, Any]]:
        """Return rows as a client would send them."""
        inputs = [field.name for field in self.contract.inputs]
        rows = self.frame.select(inputs).slice(start, count).to_dicts()
        return [row | {"scheduled_departure": row["scheduled_departure"].isoformat()} for row in rows]


@functools.cache
def draw_sample() -> Sample:
    """Return 4,000 flights and the recipe fitted on them; nobody changes them."""
    frame = read_flights().filter(pl.col("late").is_not_null()).collect().sample(4_000, seed=1)
    contract = Flight.spec()
    return Sample(contract, frame, fit_recipe(frame.lazy(), read_workload("flights").features, contract))


def logistic_graph(sample: Sample, seed: int) -> onnx.ModelProto:
    """Return recipe and a logistic model with weights drawn from the seed as one graph."""
    model = recipe_graph(sample.recipe, sample.contract)
    generator = np.random.default_rng(seed)
    graph = model.graph
    weights = generator.normal(0, 0.3, (len(sample.recipe.values), 1)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    nodes = [helper.make_node("MatMul", ["values", "weights"], ["sum_0"])]
    for index, code in enumerate(sample.recipe.codes):
        table = generator.normal(0, 0.3, (code.cardinality,)).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(table, f"table_{index}"))
        graph.initializer.append(numpy_helper.from_array(np.array(index, dtype=np.int64), f"index_{index}"))
        nodes.append(helper.make_node("Gather", ["codes", f"index_{index}"], [f"code_{index}"], axis=1))
        nodes.append(helper.make_node("Gather", [f"table_{index}", f"code_{index}"], [f"effect_{index}"]))
        nodes.append(helper.make_node("Unsqueeze", [f"effect_{index}", "axis"], [f"column_{index}"]))
        nodes.append(helper.make_node("Add", [f"sum_{index}", f"column_{index}"], [f"sum_{index + 1}"]))
    nodes.append(helper.make_node("Sigmoid", [f"sum_{len(sample.recipe.codes)}"], ["probability"]))
    graph.node.extend(nodes)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1]))
    onnx.checker.check_model(model)
    return model


def widened(model: onnx.ModelProto, operator: str, columns: int) -> onnx.ModelProto:
    """Return the model with several numbers a row: its logit times 1, 2, ... under an operator (Softmax, Identity)."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.arange(1, columns + 1, dtype=np.float32)[None], "steps"))
    last = graph.node.pop()
    graph.node.append(helper.make_node("MatMul", [last.input[0], "steps"], ["wide"]))
    graph.node.append(helper.make_node(operator, ["wide"], ["numbers"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["rows", columns]))
    onnx.checker.check_model(model)
    return model


def write_build(sample: Sample, folder: Path, seed: int = 1, operator: str = "Softmax", **serving: Any) -> Path:
    """Write a sealed build; another seed makes another model, another ``answer`` one with other numbers a row."""
    folder.mkdir(parents=True)
    shape = msgspec.convert(serving.get("answer", LATE), AnswerShape)
    graph = logistic_graph(sample, seed)
    model = (graph if len(shape.columns) == 1 else widened(graph, operator, len(shape.columns))).SerializeToString()
    write_atomically(folder / "model.onnx", model)
    write_json(folder / "contract.json", sample.contract)
    (folder / "assets").mkdir()
    write_atomically(folder / "assets" / "recipe.json", write_recipe(sample.recipe))
    spec = {
        "workload": "flights",
        "answer": LATE,
        "port": 8080,
        "max_rows": 500,
        "max_body_bytes": 500_000,
        "log_predictions": 1.0,
    }
    write_json(folder / "serving.json", msgspec.convert(spec | serving, ServingSpec))
    rows = sample.rows(20)
    predictor = TabularPredictor(model, sample.contract)
    inputs = sample.frame.select([field.name for field in sample.contract.inputs]).head(20)
    answers = predictor.predict(predictor.tensors(inputs.rows()))
    numbers = answers.reshape(20, -1).astype(float).tolist()
    golden = Golden(rows=rows, columns=shape.columns, answers=numbers, tolerance=1e-5)
    write_json(folder / "golden.json", golden)
    sample.frame.select([field.name for field in sample.contract.inputs]).head(500).write_parquet(
        folder / "reference.parquet"
    )
    stations = Stations(trainer=numbers, exported=numbers, export_tolerance=1e-5, compression_tolerance=0.1)
    write_json(folder / "stations.json", stations)
    seal(folder, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    return folder
