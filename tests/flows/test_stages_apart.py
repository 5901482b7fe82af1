"""Every stage in a process of its own, in an empty folder: what joins them are their results as JSON, and the store."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.artefacts.rollout import read_rollout
from components.promotion.rollouts import copy_of
from components.settings import Home
from tests.flows.one_stage import STAGES

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["one home", "objects"])
def test_stages_on_many_machines_make_a_champion_that_one_more_machine_serves(
    where: str, tmp_path: Path, write_workload: Any, request: pytest.FixtureRequest
) -> None:
    address = str(request.getfixturevalue("s3")) if where == "objects" else ""
    workload, results = write_workload(), tmp_path / "results"
    results.mkdir()
    for number, stage in enumerate(STAGES):
        folder = tmp_path / "folders" / stage
        folder.mkdir(parents=True)
        home = tmp_path / "homes" / (stage if address else "shared")
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SLIPWAY_HOME": str(home),
            "SLIPWAY_STORE": address,
            "SLIPWAY_SIGNING_KEY": str(tmp_path / "keys" / "signing.pem"),
            # A registry is a server, or a database of its own.
            "SLIPWAY_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.flows.one_stage", str(workload), stage, str(results)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, f"{stage}: {done.stderr[-3000:]}"
        assert list(folder.iterdir()) == []
        text = (results / f"{stage}.json").read_text()
        # Nothing that one machine hands to another names a place of the first.
        assert str(home) not in text or stage in ("register",), text
        assert len(list(results.iterdir())) == number + 1
    reader = Home(tmp_path / "homes" / ("reader" if address else "shared"), address)
    document = copy_of(reader, "flights")
    champion = read_rollout(document, "flights").champion
    assert champion is not None
    assert (reader.room("builds") / champion / "manifest.json").is_file()
