"""The mutation score of the gates on pictures: what a build of them cannot have is not planted, the rest is caught."""

import numpy as np
import onnx
import polars as pl
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from components.artefacts.build import ServingSpec, open_build, seal
from components.artefacts.storage import digest_file, write_json
from components.catalog import find_kind
from components.declaration.loading import parse_workload
from components.declaration.targets import shape_of
from components.declaration.workload import Workload
from components.faults import data, graph, leaks, model
from components.faults.bench import Bench, make_bench
from components.faults.selftest import FAULTS, applicable, run_selftest
from components.kinds.image.inference import picture_field, pixels_of
from components.training.results import Candidate, HardwareChoice, Trained
from data_contracts.digits import HandwrittenDigit, read_rows
from tests.components.kinds.small_digits import prepare_digits
from tests.conftest import REPOSITORY

CONTRACT, KIND = HandwrittenDigit.spec(), find_kind("image")


def linear(rows: pl.DataFrame) -> onnx.ModelProto:
    """Return a linear model of pixels, fitted without the seconds that a network takes."""
    pictures = [pixels_of(picture, picture_field(CONTRACT), 1, 8).ravel() for picture in rows["picture"]]
    fitted = LogisticRegression(max_iter=1_000).fit(np.stack(pictures) / 255, rows["digit"].to_numpy())
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    constants = [
        numpy_helper.from_array((fitted.coef_.T / 255).astype(np.float32), "weights"),
        numpy_helper.from_array(fitted.intercept_.astype(np.float32), "bias"),
    ]
    taken = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["rows", 1, 8, 8])
    given = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 10])
    made = helper.make_graph(nodes, "linear", [taken], [given], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def workload() -> Workload:
    """Return the digits workload with a goal that a linear model surely reaches on 300 rows."""
    document = yaml.safe_load((REPOSITORY / "deployments" / "digits.yaml").read_text())
    goal = document["goal"]
    document["goal"] = goal | {"threshold": 0.85, "statement": goal["statement"].replace("0.93", "0.85")}
    return parse_workload(document, "digits.yaml")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("pictures")
    prepared, built = prepare_digits(folder / "prepared", read_rows().collect()), folder / "build"
    built.mkdir()
    file = built / "model.onnx"
    onnx.save(linear(pl.read_parquet(prepared.splits["train"].path)), file)
    best = Candidate(
        name="linear",
        role="baseline",
        model=file,
        digest=digest_file(file),
        predictions=folder / "linear.parquet",
        score=0.9,
        seconds=1.0,
    )
    test = prepared.splits["test"]
    answers = KIND.predict_file(best.parts, CONTRACT, test.path)
    kept = {"split": ["test"] * test.rows, "row": np.arange(test.rows), "answer": answers.tolist()}
    pl.DataFrame(kept).write_parquet(best.predictions)
    trained = Trained(
        digest="d",
        path=folder,
        candidates=(best,),
        chosen="linear",
        comparison=None,
        hardware=HardwareChoice(device="cpu", precision="32-true", compile=False, threads=1, reason="a test"),
        seconds=1,
        cost_usd=0.001,
        seed=1,
    )
    write_json(built / "contract.json", CONTRACT)
    serving = ServingSpec(
        workload="digits", answer=shape_of(CONTRACT), port=0, max_rows=100, max_body_bytes=10**7, log_predictions=0
    )
    write_json(built / "serving.json", serving)
    seal(built, workload="digits", kind="image", created="2026-01-01T00:00:00+00:00")
    (folder / "scratch").mkdir()
    return make_bench(
        workload(),
        CONTRACT,
        prepared,
        trained,
        trained.as_trained,
        open_build(built, None),
        KIND.predict_file,
        folder / "scratch",
    )


def test_what_a_build_of_pictures_cannot_have_is_not_planted(bench: Bench) -> None:
    left = {fault.name for fault in FAULTS} - {fault.name for fault in applicable(bench)}
    assert left == {
        "a value out of its range",
        "a value that is not allowed",
        "a number that is not finite",
        "splits that overlap in time",
        "a drifted column",
        "the answer in a feature",
        "training knows the future",
        "quantiles too narrow",
        "a slice broken in the packaged model",
        "a slice that no model knows",
        "a behavioural promise broken",
        # There are some 36 rows of each class, in two groups half as many, and a sure model is hardly ever wrong.
        "a class below its floor",
        "a group whose positives are missed",
        "answers overconfident",
        "a wrong normaliser in the packaged graph",
        "an unknown category handled differently",
        "categories numbered otherwise",
        "two columns in each other's place",
        # Of an unsigned build.
        "a verdict changed together with its digest",
        "the champion is better in one slice",
    }


def test_every_fault_of_rows_answers_and_the_graph_is_caught(bench: Bench) -> None:
    planted = run_selftest(bench, (*data.FAULTS, *leaks.FAULTS, *model.FAULTS, *graph.FAULTS))
    assert [one.line for one in planted if not one.caught] == []
    assert {"a required value is missing", "rows sorted by the answer", "int8 overflow"} <= {
        one.fault for one in planted
    }
