"""The registry: a real MLflow on SQLite."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from components.answer_shape import Binary
from components.delivery.build import Build, ServingSpec, open_build, seal
from components.delivery.registry import CHALLENGER, CHAMPION, Registered, aliased_build, register_build, set_champion
from components.errors import BuildError
from components.settings import Home, Settings
from components.storage import write_json
from data_contracts.flights import Flight


@pytest.fixture
def build(tmp_path: Path) -> Build:
    folder = tmp_path / "build"
    folder.mkdir()
    graph = helper.make_graph(
        [helper.make_node("Identity", ["distance"], ["probability"])],
        "small",
        [helper.make_tensor_value_info("distance", TensorProto.DOUBLE, ["rows"])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["rows"])],
    )
    onnx.save(helper.make_model(graph), folder / "model.onnx")
    write_json(folder / "contract.json", Flight.spec())
    answer = Binary(label="late", threshold=0.5)
    limits = {"port": 0, "max_rows": 1, "max_body_bytes": 1_000, "log_predictions": 1.0}
    write_json(folder / "serving.json", ServingSpec(workload="flights", answer=answer, **limits))
    seal(folder, workload="flights", kind="tabular", created="2026-01-01T00:00:00+00:00")
    return open_build(folder)


def register(build: Build, home: Home, *, passed: bool = True) -> Registered:
    return register_build(
        build,
        home=home,
        settings=Settings(),
        gates_passed=passed,
        metrics={"auc": 0.7},
        parameters={"seed": "1"},
        tags={"goal": "small"},
    )


def test_a_build_is_registered_once_and_becomes_challenger_then_champion(build: Build, home: Home) -> None:
    first = register(build, home)
    assert register(build, home) == first
    assert first.version == 1
    settings = Settings()
    assert aliased_build("flights", CHALLENGER, home=home, settings=settings) == build.build_id
    assert aliased_build("flights", CHAMPION, home=home, settings=settings) is None
    set_champion("flights", build.build_id, home=home, settings=settings)
    assert aliased_build("flights", CHAMPION, home=home, settings=settings) == build.build_id


def test_a_refused_build_is_kept_but_never_the_challenger(build: Build, home: Home) -> None:
    registered = register(build, home, passed=False)
    assert registered.version == 1
    assert aliased_build("flights", CHALLENGER, home=home, settings=Settings()) is None


def test_an_unregistered_build_cannot_become_champion(build: Build, home: Home) -> None:
    register(build, home)
    with pytest.raises(BuildError, match="flights-0000 is not in the registry"):
        set_champion("flights", "flights-0000", home=home, settings=Settings())
