"""MLflow's users: they load the champion where there is no Slipway, serve it, evaluate it, and read how it was made."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.outside.places import Place, free_port, wait_until

pytestmark = pytest.mark.outside
USER = Path(__file__).with_name("mlflow_user.py")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_the_champion_is_loaded_served_and_evaluated_without_slipway_and_answers_as_the_service(
    champion: Place,
) -> None:
    registry = f"sqlite:///{champion.home / 'registry' / 'mlflow.db'}"
    champion.variables |= {"MLFLOW_TRACKING_URI": registry, "MLFLOW_DISABLE_TELEMETRY": "true"}
    served = champion.serve("shop.yaml")
    elsewhere = champion.folder.parent / "elsewhere"
    elsewhere.mkdir()
    user = Place(champion.command, elsewhere, champion.home, champion.variables, champion.started)
    scoring = f"http://127.0.0.1:{free_port()}"
    port = scoring.rpartition(":")[2]
    log = elsewhere / "scoring.log"
    with log.open("w") as errors:
        model = ("-m", "models:/shop@champion", "--env-manager", "local", "--host", "127.0.0.1", "--port", port)
        user.start("mlflow", "models", "serve", *model, stdout=errors, stderr=errors)
    wait_until(lambda: answers(scoring), f"mlflow models serve answers: {log.read_text()}")

    done = user.run("python", "-I", USER, registry, served.url, scoring, expect=0)
    said = json.loads(done.stdout.splitlines()[-1])
    for name, (difference, same) in {**said["frames"], "example": said["example"]}.items():
        assert difference <= 1e-6, name
        assert same, name
    for way in ("scoring client", "records"):
        assert said[way][0] <= 1e-6, way
        assert said[way][1], way
    assert said["ours"] == []
    assert said["index"] == [5, 7]
    assert said["none"] == [0, 2]
    half, negative, unknown, number = said["refused"]
    assert "row 0, field pieces: Expected int" in half
    assert "row 0, field pieces: Expected int" in negative
    assert "row 0, field kind: Invalid enum value 'd'; allowed: a, b, c" in unknown
    assert "column city" in number
    assert set(said["graph"]) <= {"at", "amount", "pieces", "city", "kind", "flag"}
    assert said["evaluated"]["example_count"] == 40
    assert 0 <= said["evaluated"]["accuracy_score"] <= 1

    parameters = said["version"]["params"]
    assert parameters["model.epochs"] == "2"
    assert parameters["split.train.start"] == "2024-01-01"
    assert "Tell which orders come back" in said["version"]["description"]
    assert {name for name, *_ in said["inputs"]} == {"shop train", "shop validation", "shop test", "shop monitor"}
    assert {context for *_, context in said["inputs"]} == {"training", "validation", "testing", "monitoring"}
    assert all(profile["rows"] > 0 for _, _, profile, _ in said["inputs"])
    assert Path(said["lies at"]).is_file()
    assert said["children"].keys() == {"xgboost", "linear", "network"}
    assert all(child["metrics"]["validation_auc"] > 0.4 for child in said["children"].values())
    assert said["children"]["network"]["curve"] == [1, 2]
    assert said["metrics"]["auc"] > 0.6
