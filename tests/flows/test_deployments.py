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
        # A worker keeps results in Prefect's own folder otherwise, where another run's may answer for this one.
        "PREFECT_LOCAL_STORAGE_PATH": str(home.room("prefect", "results")),
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
        deployments = {str(deployment.entrypoint): deployment for deployment in client.read_deployments()}
    limits = {
        entrypoint: deployment.global_concurrency_limit and deployment.global_concurrency_limit.limit
        for entrypoint, deployment in deployments.items()
    }
    assert limits == {
        "flows.build_model.build_model": 1,
        "flows.promote_build.promote_build": 1,
        "flows.end_to_end.end_to_end": 1,
        "flows.monitor_drift.monitor_drift": None,
        "flows.score_batch.score_batch": None,
    }
    scheduled = {entrypoint for entrypoint, deployment in deployments.items() if deployment.schedules}
    assert scheduled == {"flows.build_model.build_model", "flows.monitor_drift.monitor_drift"}
    form = deployments["flows.promote_build.promote_build"].parameter_openapi_schema["properties"]
    assert all(field.get("description") for field in form.values())
    assert form["dry_run"]["default"] is True

    workload = write_workload()
    prefect(home, "deployment", "run", "build-model/flights", "--param", f'workload="{workload}"')
    prefect(home, "worker", "start", "--pool", "slipway", "--run-once", "--limit", "1")
    (record,) = [msgspec.json.decode(path.read_bytes()) for path in home.room("runs").glob("*.json")]
    assert (record["flow"], record["state"]) == ("build-model", "ran")
    assert [stage["state"] for stage in record["stages"]] == ["ran"] * len(record["stages"])
