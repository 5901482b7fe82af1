"""An explanation is the difference that one field makes, for every shape of answer, at a stated and limited cost."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from components.artefacts.build import open_build, seal
from deployments.data_plane.explanation import Explainer
from deployments.data_plane.model import load_model
from tests.deployments.processes import Running
from tests.deployments.small_build import Sample, write_build
from tests.deployments.test_answer_shapes import CASES, Case

Serve = Callable[..., Running]


def test_a_contribution_is_what_setting_the_field_to_its_usual_value_changes(
    serve: Serve, build: Path, sample: Sample
) -> None:
    running = serve("--build", build)
    rows = sample.rows(3, start=700)
    reply = running.client.post("/v1/explain", json=rows, headers={"x-request-id": "why"})
    assert reply.status_code == 200
    told = reply.json()
    assert (told["build"], told["request_id"], told["method"]) == (running.build, "why", "ablation")
    assert told["answers_computed"] == 3 * (len(sample.contract.inputs) + 1)
    for row, explained in zip(rows, told["explanations"], strict=True):
        (answer,) = running.post(row).json()["predictions"]
        assert explained["prediction"] == pytest.approx(answer)
        assert set(explained["contributions"]) == set(row)
        for name in ("carrier", "distance", "scheduled_departure", "plane_age"):
            (changed,) = running.post(row | {name: told["reference"][name]}).json()["predictions"]
            moved = answer["probability"] - changed["probability"]
            assert explained["contributions"][name]["probability"] == pytest.approx(moved, abs=1e-6)
    metrics = running.client.get("/metrics").text
    assert "slipway_explained_rows_total 3.0" in metrics
    assert "slipway_waiting_rows 0.0" in metrics


def test_the_reference_is_the_median_and_the_most_frequent_of_the_held_out_rows(build: Path) -> None:
    model = load_model(build)
    held_out = pl.read_parquet(build / "reference.parquet")
    usual = dict(zip(held_out.columns, Explainer(model).usual_row(), strict=True))
    assert usual["carrier"] in held_out["carrier"].mode().to_list()
    for name in ("distance", "plane_age", "scheduled_departure"):
        values = held_out[name].drop_nulls().sort()
        assert usual[name] == values[len(values) // 2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case.keys))
def test_every_number_of_an_answer_is_explained(sample: Sample, tmp_path: Path, case: Case) -> None:
    model = load_model(write_build(sample, tmp_path / "build", operator=case.operator, answer=case.answer))
    rows = model.decoder.check(sample.rows(2))
    told: dict[str, Any] = json.loads(Explainer(model).explain(rows, "id"))
    columns = model.serving.answer.columns
    for explained in told["explanations"]:
        assert set(explained["contributions"]["distance"]) == set(columns)
        assert set(explained["prediction"]) == set(case.keys)
    moved = [explained["contributions"]["distance"] for explained in told["explanations"]]
    answers = model.predictor.predict(model.predictor.tensors(rows)).reshape(2, -1)
    place = [field.name for field in model.contract.inputs].index("distance")
    changed = [(*row[:place], told["reference"]["distance"], *row[place + 1 :]) for row in rows]
    others = model.predictor.predict(model.predictor.tensors(changed)).reshape(2, -1)
    np.testing.assert_allclose([[one[name] for name in columns] for one in moved], answers - others, atol=1e-6)


def test_an_explanation_has_limits_of_its_own(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build)
    most = 500 // (len(sample.contract.inputs) + 1)
    assert running.client.post("/v1/explain", json=sample.rows(most)).status_code == 200
    reply = running.client.post("/v1/explain", json=sample.rows(most + 1))
    assert (reply.status_code, f"at most {most}" in reply.json()["error"]["reason"]) == (413, True)
    late = running.client.post("/v1/explain", json=sample.rows(1), headers={"x-request-timeout-ms": "0"})
    assert late.status_code == 504
    assert running.client.post("/v1/explain", json={"nothing": 1}).status_code == 422


def test_a_build_without_held_out_rows_is_not_explained(
    serve: Serve, build: Path, sample: Sample, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(build, bare)
    (bare / "reference.parquet").unlink()
    seal(bare, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    running = serve("--build", bare)
    reply = running.client.post("/v1/explain", json=sample.rows(1))
    assert (reply.status_code, reply.json()["error"]["kind"]) == (404, "not_explained")
    assert open_build(bare).build_id in reply.json()["error"]["reason"]


def test_an_explanation_does_without_pandas(build: Path) -> None:
    # It takes longer to import than everything else that the first explanation needs, and 40 MB.
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deployments.data_plane.explanation import Explainer\n"
        "from deployments.data_plane.model import load_model\n"
        f"model = load_model(Path({str(build)!r}))\n"
        "Explainer(model).explain(model.decoder.check(model.build.golden().rows), 'x')\n"
        "print('pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
