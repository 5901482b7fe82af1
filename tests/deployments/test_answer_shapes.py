"""Several classes, numbers and quantiles are answered alike through every interface, and logged and counted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from components.artefacts.answer_shape import Answers
from components.artefacts.build import open_build, seal
from components.artefacts.errors import ServingError
from components.artefacts.storage import write_json
from deployments.data_plane.model import load_model
from deployments.data_plane.tables.content_types import ARROW
from tests.deployments.processes import Running
from tests.deployments.small_build import Sample, write_build
from tests.deployments.test_grpc import call, infer
from tests.deployments.test_interfaces import arrow, table, tensors

COUNT = 40


@dataclass(frozen=True)
class Case:
    """A shape as serving.json has it, what makes the graph's numbers, and what a client must see of it."""

    answer: dict[str, Any]
    operator: str
    keys: list[str]
    metric: str


CASES = [
    Case(
        {"target": "multiclass", "label": "band", "classes": ["early", "on time", "late"], "weights": [1, 1, 2]},
        "Softmax",
        ["probabilities", "band"],
        "slipway_probability",
    ),
    Case(
        {"target": "multiclass", "label": "grade", "classes": [1, 2], "weights": [1, 1]},
        "Softmax",
        ["probabilities", "grade"],
        "slipway_probability",
    ),
    Case(
        {"target": "regression", "label": "minutes", "scale": 2.0, "buckets": [-1, 0, 1]},
        "Identity",
        ["value"],
        "slipway_value",
    ),
    Case(
        {"target": "regression", "label": "minutes", "scale": 2, "buckets": [0], "quantiles": [0.1, 0.9]},
        "Identity",
        ["value", "quantiles"],
        "slipway_value",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.answer['label']} {len(case.keys)}")
def test_every_interface_gives_the_same_answers(
    case: Case, sample: Sample, serve: Callable[..., Running], tmp_path: Path
) -> None:
    folder = write_build(sample, tmp_path / "build", answer=case.answer, operator=case.operator)
    shape = open_build(folder).serving().answer
    running = serve("--build", folder, "--grpc-port", "0", "--predictions", tmp_path / "log")

    predictions = running.post(sample.rows(COUNT)).json()["predictions"]
    assert list(predictions[0]) == case.keys
    numbers = np.array([shape.read(prediction) for prediction in predictions])
    _same(numbers[:20], open_build(folder).golden().matrix())
    assert _schema(running)["required"] == case.keys

    reply = running.client.post("/v1/score", content=arrow(table(sample, COUNT)), headers={"content-type": ARROW})
    columns = pa.ipc.open_stream(reply.content).read_all()
    assert columns.column_names == [output.name for output in shape.outputs]
    _same(np.column_stack([columns[name].to_numpy() for name in shape.columns]), numbers)

    outputs = running.client.post("/v2/models/flights/infer", json=tensors(sample, COUNT)).json()["outputs"]
    described = running.client.get("/v2/models/flights").json()["outputs"]
    assert [(one["name"], one["datatype"]) for one in outputs] == [(one["name"], one["datatype"]) for one in described]
    _same(np.column_stack([one["data"] for one in outputs[: len(shape.columns)]]), numbers)

    with grpc.insecure_channel(running.grpc) as channel:
        spoken = call(channel, "ModelInfer", infer(sample, COUNT)).outputs
    _same(np.column_stack([one.contents.fp64_contents for one in spoken[: len(shape.columns)]]), numbers)

    if case.answer["label"] in predictions[0]:
        decided = [prediction[case.answer["label"]] for prediction in predictions]
        assert columns[case.answer["label"]].to_pylist() == outputs[-1]["data"] == decided
        contents = spoken[-1].contents
        assert [*contents.int64_contents, *(text.decode() for text in contents.bytes_contents)] == decided
        assert f'slipway_decisions_total{{kind="{decided[0]}"}}' in running.client.get("/metrics").text

    metrics = running.client.get("/metrics").text
    assert f'{case.metric}_bucket{{le="+Inf"}} {4.0 * COUNT}' in metrics
    assert f"slipway_rows_total {4.0 * COUNT}" in metrics
    assert running.stop() == 0
    log = pl.concat([pl.read_parquet(path) for path in sorted((tmp_path / "log").glob("*/*.parquet"))])
    assert log.height == 4 * COUNT
    inputs = [field.name for field in sample.contract.inputs]
    assert log.columns == ["request_id", "row", "answered_at", "build", *shape.columns, *inputs]
    _same(log.select(shape.columns).head(COUNT).to_numpy(), numbers)


def _same(first: Answers, second: Answers) -> None:
    np.testing.assert_allclose(first, second, atol=2e-6)


def _schema(running: Running) -> dict[str, Any]:
    schema: dict[str, Any] = running.client.get("/openapi.json").json()["components"]["schemas"]["Prediction"]
    return schema


def test_a_build_whose_golden_rows_have_other_numbers_is_not_served(sample: Sample, tmp_path: Path) -> None:
    folder = write_build(sample, tmp_path / "build", answer=CASES[2].answer, operator="Identity")
    golden = open_build(folder).golden()
    more = msgspec.structs.replace(
        golden, columns=("value", "quantile_0.1"), answers=[[*row, 0.0] for row in golden.answers]
    )
    write_json(folder / "golden.json", more)
    seal(folder, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    with pytest.raises(ServingError, match=r"answers 1 numbers a row, its golden rows have value, quantile_0\.1"):
        load_model(folder)
