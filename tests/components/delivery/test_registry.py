"""The registry: a real MLflow on SQLite."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from components.answer_shape import Binary
from components.builds.build import Build, ServingSpec, open_build, seal
from components.builds.signing import ensure_key, sign_build
from components.declaration import read_workload
from components.delivery.promotion import roll_back
from components.delivery.registry import CHALLENGER, CHAMPION, Registered, aliased_build, register_build, set_champion
from components.delivery.rollout import promoted, read_rollout, rollout_path, write_rollout
from components.errors import BuildError
from components.settings import Home, Settings
from components.storage import write_json
from components.training.results import Trial
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


def register(build: Build, home: Home, *, passed: bool = True, trials: tuple[Trial, ...] = ()) -> Registered:
    return register_build(
        build,
        home=home,
        settings=Settings(),
        gates_passed=passed,
        metrics={"auc": 0.7},
        parameters={"seed": "1"},
        tags={"goal": "small"},
        trials=trials,
    )


def children(registered: Registered) -> dict[str, Any]:
    """Return the child runs of a build's run by their trial."""
    from mlflow import MlflowClient

    client = MlflowClient(registered.tracking_uri)
    experiment = client.get_run(registered.run_id).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{registered.run_id}'")
    assert len({run.data.tags["trial"] for run in found}) == len(found)
    return {run.data.tags["trial"]: run for run in found}


def test_a_build_is_registered_once_and_becomes_challenger_then_champion(build: Build, home: Home) -> None:
    first = register(build, home)
    assert register(build, home) == first
    assert first.version == 1
    settings = Settings()
    assert aliased_build("flights", CHALLENGER, home=home, settings=settings) == build.build_id
    assert aliased_build("flights", CHAMPION, home=home, settings=settings) is None
    set_champion("flights", build.build_id, home=home, settings=settings)
    assert aliased_build("flights", CHAMPION, home=home, settings=settings) == build.build_id


def test_a_build_that_was_judged_again_is_a_version_more_and_the_latest_is_the_champion(
    build: Build, home: Home
) -> None:
    first = register(build, home)
    write_json(build.path / "gates.json", {"judged": "again"})
    seal(build.path, workload="flights", kind="tabular", created="2026-01-02T00:00:00+00:00")
    again = open_build(build.path)
    assert (again.build_id, again.seal == build.seal) == (build.build_id, False)
    second = register(again, home)
    assert (second.version, second.run_id == first.run_id) == (2, False)
    assert register(again, home) == second
    set_champion("flights", build.build_id, home=home, settings=Settings())
    assert aliased_build("flights", CHAMPION, home=home, settings=Settings()) == build.build_id


def test_a_refused_build_is_kept_but_never_the_challenger(build: Build, home: Home) -> None:
    registered = register(build, home, passed=False)
    assert registered.version == 1
    assert aliased_build("flights", CHALLENGER, home=home, settings=Settings()) is None


def test_an_unregistered_build_cannot_become_champion(build: Build, home: Home) -> None:
    register(build, home)
    with pytest.raises(BuildError, match="flights-0000 is not in the registry"):
        set_champion("flights", "flights-0000", home=home, settings=Settings())


def test_nobody_goes_back_to_a_build_that_the_registry_does_not_know(build: Build, home: Home) -> None:
    path = rollout_path(home.room("rollouts"), "flights")
    path.parent.mkdir(parents=True)
    settings = Settings(signing_key=ensure_key(home.room("keys", "signing.pem")))
    sign_build(build.path, settings.key())
    first = promoted(read_rollout(path, "flights"), build.build_id, build.path, "test")
    write_rollout(path, promoted(first, "flights-0000", build.path, "test"))
    known = path.read_bytes()
    workload = read_workload("flights")
    with pytest.raises(BuildError, match=f"{build.build_id} is not in the registry"):
        roll_back(workload, home, settings, reason="test")
    assert path.read_bytes() == known
    register(build, home)
    assert roll_back(workload, home, settings, reason="test") == build.build_id
    assert aliased_build("flights", CHAMPION, home=home, settings=settings) == build.build_id


TRIALS = (
    Trial(
        number=0,
        options={"learning_rate": 0.1, "hidden": [64, 32]},
        state="finished",
        score=0.7,
        scores=(0.6, 0.7),
        started=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=2.5,
    ),
    Trial(number=1, options={"learning_rate": 9.0}, state="pruned", score=None, scores=(0.5,), seconds=1.0),
    Trial(number=2, options={"learning_rate": 99.0}, state="failed", score=None, seconds=0.5),
)


def test_every_trial_is_a_child_run_of_the_build_once(build: Build, home: Home) -> None:
    # A run that was killed had logged one of them only in part.
    first = register(build, home, trials=TRIALS[:1])
    from mlflow import MlflowClient

    client = MlflowClient(first.tracking_uri)
    client.update_run(children(first)["0"].info.run_id, status="RUNNING")
    assert register(build, home, trials=TRIALS) == register(build, home, trials=TRIALS) == first
    found = children(first)
    assert set(found) == {"0", "1", "2"}
    assert {number: run.info.status for number, run in found.items()} == {
        "0": "FINISHED",
        "1": "FINISHED",
        "2": "FAILED",
    }
    done = found["0"]
    assert done.data.params == {"learning_rate": "0.1", "hidden": "[64, 32]"}
    assert done.data.metrics == {"score": 0.7, "seconds": 2.5, "best_score": 0.7}
    assert done.info.end_time - done.info.start_time == 2500
    assert [metric.value for metric in client.get_metric_history(done.info.run_id, "score")] == [0.6, 0.7]
    assert found["1"].data.tags["state"] == "pruned"
    assert found["1"].data.metrics == {"score": 0.5, "seconds": 1.0}
