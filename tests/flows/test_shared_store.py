"""Two machines around one object storage: what one has built, the other has built, too; either may serve it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flows.build_stages import BUILD_STAGES

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.e2e
@pytest.mark.slow
def test_what_one_machine_has_built_another_one_takes_from_the_store(
    tmp_path: Path, write_workload: Any, s3: str
) -> None:
    workload = write_workload()

    def slipway(machine: str, *arguments: str) -> Any:
        folder = tmp_path / machine
        folder.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "ignore",
            "SLIPWAY_HOME": str(folder / "home"),
            "SLIPWAY_STORE": s3,
            "SLIPWAY_SIGNING_KEY": str(tmp_path / "keys" / "signing.pem"),
            "SLIPWAY_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
        }
        command = [sys.executable, "-c", "from flows.command_line import main; main()", *arguments, "--json"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    first = slipway("here", "build", str(workload))
    second = slipway("there", "build", str(workload))
    assert second["registered"]["build_id"] == first["registered"]["build_id"]
    states = {one["stage"]: one["state"] for one in slipway("there", "status", str(workload))["stages"]}
    assert {stage: states[stage] for stage in BUILD_STAGES} == dict.fromkeys(BUILD_STAGES, "cached")
    slipway("there", "promote", str(workload), "--accept", "environment")
    assert slipway("here", "status", str(workload))["champion"] == first["registered"]["build_id"]
    # A home is a cache: what was deleted is fetched again.
    assert slipway("third", "check", str(workload))["build"] == first["registered"]["build_id"]
