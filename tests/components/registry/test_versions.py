"""The registry: a real MLflow on SQLite."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec import structs

from components.artefacts.build import Build, open_build, seal
from components.artefacts.errors import BuildError
from components.artefacts.rollout import Rollout, promoted, read_rollout, rollout_path, write_rollout
from components.artefacts.storage import write_json
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.declaration.loading import read_workload
from components.promotion.agreement import agree_with_registry
from components.promotion.rollback import roll_back
from components.registry.names import plain_name
from components.registry.versions import (
    CHALLENGER,
    CHAMPION,
    Registered,
    RunFacts,
    aliased_build,
    latest_refused,
    register_build,
    set_champion,
)
from components.settings import Home, Settings
from components.training.results import Trial
from tests.deployments.small_build import draw_sample, write_build

CARD = "# flights: xgboost\n\nTell which flights arrive late." + " More." * 2_000
PROVENANCE = {
    "data": {
        "snapshot": "b1cb4b01963fd15b6c603b9a125798abe9548059b52a9f33e80e9cc792901044",
        "splits": {
            "train": {"rows": 3_000, "start": "2013-01-01 05:00:00", "end": "2013-08-31 23:00:00"},
            "test": {"rows": 500, "start": "2013-09-01 05:00:00", "end": "2013-12-31 23:00:00"},
        },
    },
    "code": {"commit": "f084cf5"},
    "training": {
        "candidates": [
            {"name": "xgboost", "role": "baseline", "digest": "a1", "score": 0.7, "seconds": 2.0},
            {
                "name": "network",
                "role": "challenger",
                "digest": "b2",
                "score": 0.6,
                "seconds": 1.5,
                "curve": [
                    {"training_loss": 0.7, "validation_loss": 0.69, "score": 0.55},
                    {"training_loss": 0.6, "validation_loss": 0.65, "score": 0.6},
                ],
            },
        ],
        "chosen": "xgboost",
        "hardware": {"device": "cpu", "precision": "32-true", "compile": False, "threads": 1, "reason": "small"},
        "seconds": 3.5,
        "cost_usd": 0.0,
        "seed": 1,
    },
}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_build(draw_sample(), tmp_path_factory.mktemp("builds") / "build")
    write_json(folder / "provenance.json", PROVENANCE)
    (folder / "card.md").write_text(CARD)
    seal(folder, workload="flights", kind="tabular", created="2026-01-01T00:00:00+00:00")
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with its tables and nothing in them: making them takes longer than most of the tests."""
    home = Home(tmp_path_factory.mktemp("empty"))
    assert aliased_build("flights", CHAMPION, home=home, settings=Settings()) is None
    return home.room("registry")


@pytest.fixture
def home(home: Home, empty: Path) -> Home:
    shutil.copytree(empty, home.room("registry"))
    return home


@pytest.fixture
def build(sealed: Path) -> Build:
    return open_build(sealed)


def register(
    build: Build,
    home: Home,
    *,
    passed: bool = True,
    trials: tuple[Trial, ...] = (),
    metrics: dict[str, float] | None = None,
    parameters: dict[str, Any] | None = None,
) -> Registered:
    facts = RunFacts(
        gates_passed=passed,
        metrics=metrics or {"auc": 0.7},
        parameters=parameters or {"seed": 1},
        metric="auc",
        tags={"goal": "small"},
        trials=trials,
    )
    return register_build(build, facts, home, Settings())


def children(registered: Registered, tag: str = "trial") -> dict[str, Any]:
    """Return the child runs of a build's run by their trial, or by their candidate."""
    from mlflow import MlflowClient

    client = MlflowClient(registered.tracking_uri)
    experiment = client.get_run(registered.run_id).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{registered.run_id}'")
    found = [run for run in found if tag in run.data.tags]
    assert len({run.data.tags[tag] for run in found}) == len(found)
    return {run.data.tags[tag]: run for run in found}


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
    back = roll_back(workload, home, settings, reason="test")
    assert (back.champion, back.replaced, back.undone) == (build.build_id, "flights-0000", "")
    assert aliased_build("flights", CHAMPION, home=home, settings=settings) == build.build_id


def test_the_latest_build_is_known_if_its_gates_refused_it(build: Build, home: Home) -> None:
    def refused() -> str | None:
        return latest_refused("flights", home=home, settings=Settings())

    assert refused() is None
    register(build, home, passed=False)
    assert refused() == build.build_id
    register(structs.replace(build, sealed=b"judged again"), home)
    assert refused() is None


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


def test_each_candidate_is_a_child_run_and_the_network_has_its_curve(build: Build, home: Home) -> None:
    from mlflow import MlflowClient

    registered = register(build, home)
    found = children(registered, "candidate")
    assert {name: run.data.tags["chosen"] for name, run in found.items()} == {"xgboost": "true", "network": "false"}
    assert found["xgboost"].data.metrics == {"validation_auc": 0.7, "seconds": 2.0}
    client = MlflowClient(registered.tracking_uri)
    curve = client.get_metric_history(found["network"].info.run_id, "validation_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.69), (2, 0.65)]


def test_a_run_says_what_it_was_made_of(build: Build, home: Home) -> None:
    from mlflow import MlflowClient

    registered = register(build, home, parameters={"model": {"epochs": 2, "hidden": [16]}, "seed": 1, "none": {}})
    client = MlflowClient(registered.tracking_uri)
    run = client.get_run(registered.run_id)
    given = {"model.epochs": "2", "model.hidden": "[16]", "seed": "1", "none": "{}"}
    # MLflow adds how the model may be asked.
    assert run.data.params == given | {"answer": "everything"}
    assert run.data.tags["mlflow.source.git.commit"] == "f084cf5"
    train = next(one for one in run.inputs.dataset_inputs if one.dataset.name == "flights train")
    assert train.dataset.digest == PROVENANCE["data"]["snapshot"][:36]  # type: ignore[index]
    assert json.loads(train.dataset.profile)["rows"] == 3_000
    assert [tag.value for tag in train.tags] == ["training"]
    assert {"name": "late", "type": "boolean", "required": True} in json.loads(train.dataset.schema)["mlflow_colspec"]
    version = client.get_model_version("flights", str(registered.version))
    assert version.description == CARD[:5_000]


def test_names_of_classes_and_more_metrics_than_mlflow_takes_at_once(build: Build, home: Home) -> None:
    from mlflow import MlflowClient

    named = {"recall_<=50K": 0.1, "f1_C++": 0.2, "precision_50%": 0.3, "recall_a/../b": 0.4, "recall_": 0.5}
    many = named | {f"recall_{number}": float(number) for number in range(1_200)}
    parameters = {"model": {f"<{number}>": number for number in range(120)}}
    registered = register(build, home, metrics=many, parameters=parameters)
    run = MlflowClient(registered.tracking_uri).get_run(registered.run_id)
    assert {plain_name(name): value for name, value in run.data.metrics.items()} == many
    assert len(run.data.params) == 121


def test_a_home_may_have_any_name(build: Build, tmp_path: Path) -> None:
    home = Home(tmp_path / "50% of a?b#c [x] ü")
    registered = register(build, home)
    set_champion("flights", build.build_id, home=home, settings=Settings())
    assert home.room("registry", "mlflow.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [home.root.name]
    assert aliased_build("flights", CHAMPION, home=home, settings=Settings()) == build.build_id
    import mlflow

    assert mlflow.pyfunc.load_model("models:/flights@champion").metadata.run_id == registered.run_id


FIRST = """
import sys
from pathlib import Path
from components.registry.versions import aliased_build
from components.settings import Home, Settings
import mlflow.store.model_registry.sqlalchemy_store, mlflow.store.tracking.sqlalchemy_store
sys.stdin.readline()
aliased_build("flights", "champion", home=Home(Path(sys.argv[1])), settings=Settings())
"""


def test_two_may_open_a_new_registry_at_once(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FIRST, str(tmp_path / "new")],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [process.communicate("go\n", timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], told


def test_a_registered_model_answers_as_its_build(build: Build, home: Home) -> None:
    import mlflow

    register(build, home)
    golden = build.golden()
    model = mlflow.pyfunc.load_model("models:/flights@challenger")
    answers = model.predict(pd.DataFrame(golden.rows))
    assert list(answers.columns) == ["probability", "late"]
    assert abs(answers[["probability"]].to_numpy() - golden.matrix()).max() < 1e-6
    one = mlflow.pyfunc.load_model("models:/flights@challenger", model_config={"answer": "late"})
    assert one.predict(pd.DataFrame(golden.rows)).tolist() == answers["late"].tolist()
    many = pd.DataFrame(golden.rows * 500)
    many.loc[9_000, "distance"] = -1
    with pytest.raises(ValueError, match="row 9000, field distance"):
        model.predict(many)
    # What answered is the packed code, not the one that is installed here.
    assert type(model._model_impl).__module__.startswith("slipway_")


def test_a_home_that_was_moved_takes_its_registry_along(build: Build, home: Home, tmp_path: Path) -> None:
    import mlflow

    register(build, home)
    moved = Home(tmp_path / "50% moved")
    home.root.rename(moved.root)
    assert aliased_build("flights", CHALLENGER, home=moved, settings=Settings()) == build.build_id
    assert len(mlflow.pyfunc.load_model("models:/flights@challenger").predict(pd.DataFrame(build.golden().rows))) > 0
    again = register(build, moved)
    assert again.files.startswith(moved.room("registry").as_uri())
    assert not home.root.exists(), "nothing is written where the home was"


def test_a_registered_model_whose_build_was_sealed_again_is_refused(sealed: Path, home: Home, tmp_path: Path) -> None:
    import mlflow

    signed = shutil.copytree(sealed, tmp_path / "signed")
    key = ensure_key(tmp_path / "signing.pem")
    sign_build(signed, key)
    register(open_build(signed, public_key_path(key)), home)
    assert mlflow.pyfunc.load_model("models:/flights@challenger")
    (folder,) = home.room("registry").rglob("data/flights-*")
    (folder / "model.sig").unlink()
    with pytest.raises(Exception, match="is not signed"):
        mlflow.pyfunc.load_model("models:/flights@challenger")
    sign_build(folder, ensure_key(tmp_path / "another.pem"))
    with pytest.raises(Exception, match="not signed with the key"):
        mlflow.pyfunc.load_model("models:/flights@challenger")


def test_the_doctor_has_the_registry_name_the_build_that_serves(build: Build, home: Home) -> None:
    register(build, home)
    document = rollout_path(home.room("rollouts"), "flights")
    serves = promoted(Rollout(workload="flights"), build.build_id, Path("../builds/x"), "a kill followed")
    write_rollout(document, serves)
    (mended,) = agree_with_registry("flights", home, Settings())
    assert mended == f"the registry named nothing as champion of flights: it names {build.build_id} now"
    assert agree_with_registry("flights", home, Settings()) == []
    assert aliased_build("flights", CHAMPION, home=home, settings=Settings()) == build.build_id
