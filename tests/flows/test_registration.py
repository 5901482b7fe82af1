"""What a deployment is registered with outlives the folder in which a worker runs it."""

from pathlib import Path

import pytest
import yaml

from flows.registration import places
from tests.conftest import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SLIPWAY_HOME", "SLIPWAY_SIGNING_KEY", "SLIPWAY_TRACKING_URI", "SLIPWAY_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_home_is_made_absolute_where_the_deployment_is_made(folder: Path) -> None:
    found = places()
    assert found["folder"] == str(folder)
    assert found["environment"]["SLIPWAY_HOME"] == str(folder / ".slipway")


def test_settings_travel_paths_made_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_SIGNING_KEY", "keys/own.pem")
    monkeypatch.setenv("SLIPWAY_THREADS", "2")
    monkeypatch.setenv("SLIPWAY_TRACKING_URI", "http://127.0.0.1:5000")
    environment = places()["environment"]
    assert environment["SLIPWAY_SIGNING_KEY"] == str(folder / "keys" / "own.pem")
    assert environment["SLIPWAY_THREADS"] == "2"
    assert environment["SLIPWAY_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert all(isinstance(value, str) for value in environment.values())


def test_an_address_with_a_password_does_not_go_to_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_TRACKING_URI", "postgresql://slipway:secret@db/mlflow")
    assert "secret" not in str(places())


def test_every_shipped_workload_has_all_deployments_and_its_own_tag() -> None:
    declared = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    flows = {deployment["entrypoint"] for deployment in declared}
    shipped = {path.stem for path in (REPOSITORY / "deployments").glob("*.yaml")}
    assert {(one["name"], one["entrypoint"]) for one in declared} == {
        (name, flow) for name in shipped for flow in flows
    }
    for one in declared:
        assert one["tags"] == [one["name"]]
        assert one["parameters"]["workload"] == one["name"]
