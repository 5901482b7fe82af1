"""The model that every contender serves: the flights recipe and a small network, as a build and as plain weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import polars as pl
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.artefacts.answer_shape import Binary
from components.artefacts.build import Golden, ServingSpec, seal
from components.artefacts.storage import write_atomically, write_json
from components.declaration.features import FeatureStep
from components.features.fusion import unstack_columns
from components.features.recipe import Recipe, fit_recipe, read_recipe, recipe_graph, write_recipe
from components.kinds.tabular.inference import TabularPredictor
from data_contracts.flights import Flight, read_flights

# The benchmark's own list: a peer that preprocesses by hand must know every transform in it.
NUMBERS = (
    *("scheduled_arrival", "distance", "plane_age", "plane_seats", "plane_engines", "temperature", "dew_point"),
    *("humidity", "wind_direction", "wind_speed", "precipitation", "pressure", "visibility"),
)
FEATURES = (
    FeatureStep.model_validate(
        {
            "transform": "category",
            "fields": ("carrier", "origin", "destination", "plane_manufacturer"),
            "min_count": 20,
        }
    ),
    FeatureStep(transform="time_of_day", fields=("scheduled_departure",)),
    FeatureStep(transform="weekday", fields=("scheduled_departure",)),
    FeatureStep(transform="standardise", fields=NUMBERS),
)
EMBEDDING = 8
HIDDEN = (128, 64)


class Network(torch.nn.Module):
    """Embeddings of the codes beside the values, two hidden layers, a logit."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.tables = torch.nn.ModuleList([torch.nn.Embedding(code.cardinality, EMBEDDING) for code in recipe.codes])
        width = len(recipe.values) + EMBEDDING * len(recipe.codes)
        layers: list[torch.nn.Module] = []
        for size in HIDDEN:
            layers += [torch.nn.Linear(width, size), torch.nn.ReLU()]
            width = size
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))

    def forward(self, values: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        embedded = [table(codes[:, index]) for index, table in enumerate(self.tables)]
        return torch.sigmoid(self.layers(torch.cat([values, *embedded], dim=1)))


@dataclass(frozen=True)
class Material:
    """A folder with the build, and what a peer without ONNX needs."""

    folder: Path

    @property
    def build(self) -> Path:
        return self.folder / "build"

    def row(self) -> bytes:
        return (self.folder / "row.json").read_bytes()

    def recipe(self) -> Recipe:
        return read_recipe((self.folder / "recipe.json").read_bytes())

    def network(self) -> Network:
        """Return the trained network in PyTorch."""
        network = Network(self.recipe())
        weights = np.load(self.folder / "weights.npz")
        network.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights.files})
        return network.eval()


def make_material(folder: Path, rows: int = 60_000) -> Material:
    """Train for one pass over some flights and write the build; quality does not matter here, cost does."""
    torch.manual_seed(1)
    contract = Flight.spec()
    frame = read_flights().filter(pl.col("late").is_not_null()).collect().sample(rows, seed=1)
    recipe = fit_recipe(frame.lazy(), FEATURES, contract)
    network = _train(recipe, frame)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_bytes(write_recipe(recipe))
    np.savez(folder / "weights.npz", **{name: tensor.numpy() for name, tensor in network.state_dict().items()})
    build = folder / "build"
    build.mkdir()
    model = _graph(recipe, network).SerializeToString()
    write_atomically(build / "model.onnx", model)
    write_json(build / "contract.json", contract)
    serving = ServingSpec(
        workload="flights",
        answer=Binary(label="late", threshold=0.5),
        port=8080,
        max_rows=10_000,
        max_body_bytes=8_000_000,
        log_predictions=1.0,
    )
    write_json(build / "serving.json", serving)
    inputs = frame.select([field.name for field in contract.inputs]).head(50)
    predictor = TabularPredictor(model, contract)
    answers = [[float(answer)] for answer in predictor.predict(predictor.tensors(inputs.rows()))]
    moments = pl.col("scheduled_departure").dt.strftime("%Y-%m-%dT%H:%M:%S")
    golden = inputs.with_columns(moments).to_dicts()
    write_json(build / "golden.json", Golden(rows=golden, columns=("probability",), answers=answers, tolerance=1e-5))
    (folder / "row.json").write_bytes(msgspec.json.encode(golden[0]))
    seal(build, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    return Material(folder)


def _train(recipe: Recipe, frame: pl.DataFrame) -> Network:
    features = recipe.apply(frame.lazy()).collect()
    values = torch.from_numpy(features.select(recipe.values).to_numpy().copy())
    codes = torch.from_numpy(features.select([code.name for code in recipe.codes]).to_numpy().copy())
    labels = torch.from_numpy(frame["late"].to_numpy().copy()).float()[:, None]
    network = Network(recipe)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for start in range(0, len(labels), 512):
        part = slice(start, start + 512)
        loss = torch.nn.functional.binary_cross_entropy(network(values[part], codes[part]), labels[part])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval()


def _graph(recipe: Recipe, network: Network) -> onnx.ModelProto:
    """Return recipe and network as one ONNX graph."""
    model = recipe_graph(recipe, Flight.spec())
    graph = model.graph

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    parts = ["values"]
    for index, table in enumerate(network.tables):
        place = constant(f"place_{index}", np.array(index, dtype=np.int64))
        weights = constant(f"table_{index}", table.weight.detach().numpy())  # type: ignore[operator, union-attr]
        graph.node.append(helper.make_node("Gather", ["codes", place], [f"code_{index}"], axis=1))
        graph.node.append(helper.make_node("Gather", [weights, f"code_{index}"], [f"embedded_{index}"]))
        parts.append(f"embedded_{index}")
    graph.node.append(helper.make_node("Concat", parts, ["layer_0"], axis=1))
    tensor = "layer_0"
    for index, layer in enumerate(network.layers):
        if isinstance(layer, torch.nn.Linear):
            weights = constant(f"weights_{index}", layer.weight.detach().numpy())
            bias = constant(f"bias_{index}", layer.bias.detach().numpy())
            node = helper.make_node("Gemm", [tensor, weights, bias], [f"layer_{index + 1}"], transB=1)
        else:
            node = helper.make_node("Relu", [tensor], [f"layer_{index + 1}"])
        graph.node.append(node)
        tensor = f"layer_{index + 1}"
    graph.node.append(helper.make_node("Sigmoid", [tensor], ["probability"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1]))
    return unstack_columns(model)
