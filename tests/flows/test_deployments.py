"""prefect.yaml on a real Prefect server: deployed, started as the UI starts it, run by a worker."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from components.settings import Home
from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("orchestrator")]


def prefect(home: Home, *arguments: str) -> str:
    """Run Prefect's command line against the test server; return what it prints."""
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    assert url
    environment = os.environ | {
        "PREFECT_API_URL": url,
        "SLIPWAY_HOME": str(home.root),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_deployment_can_be_deployed_and_a_worker_runs_one(
    home: Home, write_workload: Callable[..., Path]
) -> None:
    from prefect.client.orchestration import get_client

    prefect(home, "work-pool", "create", "slipway", "--type", "process")
    prefect(home, "deploy", "--all")
    with get_client(sync_client=True) as client:
        deployments = client.read_deployments()
    assert len(deployments) == 5 * len(list((REPOSITORY / "deployments").glob("*.yaml")))
    scheduled = {(one.name, one.entrypoint) for one in deployments if one.schedules}
    assert scheduled == {("flights", "flows.build_model.build_model"), ("flights", "flows.monitor_drift.monitor_drift")}
    for one in deployments:
        assert one.tags == [one.name]
        assert one.job_variables["env"]["SLIPWAY_HOME"] == str(home.root)
    (form,) = {
        str(one.parameter_openapi_schema["properties"]["dry_run"]) for one in deployments if "promote" in one.entrypoint
    }
    assert "'default': True" in form

    workload = write_workload()
    prefect(home, "deployment", "run", "build-model/flights", "--param", f'workload="{workload}"')
    prefect(home, "worker", "start", "--pool", "slipway", "--run-once", "--limit", "1")
    (record,) = [msgspec.json.decode(path.read_bytes()) for path in home.room("runs").glob("*.json")]
    assert (record["flow"], record["state"]) == ("build-model", "ran")
    assert [stage["state"] for stage in record["stages"]] == ["ran"] * len(record["stages"])
