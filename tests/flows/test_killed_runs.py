"""A run that is killed (SIGKILL, no goodbye) goes on from its last finished stage."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.run_ledger import RunRecord, runs_of
from components.settings import Home
from tests.conftest import REPOSITORY
from tests.flows.build_stages import BUILD_STAGES

pytestmark = pytest.mark.e2e


def start(home: Home, workload: Path) -> subprocess.Popen[bytes]:
    code = "from flows.command_line import main; main()"
    environment = os.environ | {"SLIPWAY_HOME": str(home.root), "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [sys.executable, "-c", code, "build", str(workload)],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A group of its own: the temporary Prefect server must die with it.
        start_new_session=True,
    )


def newest(home: Home, started: int) -> RunRecord | None:
    runs = runs_of(home, "flights")
    return runs[0] if len(runs) > started else None


def kill_when(process: subprocess.Popen[bytes], home: Home, started: int, stage: str) -> None:
    """Wait until a stage is at work, then kill the whole group."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        record = newest(home, started)
        if record and any(found.stage == stage and found.state == "running" for found in record.stages):
            break
        time.sleep(0.01)
    assert process.poll() is None, process.stderr and process.stderr.read().decode()
    os.killpg(process.pid, signal.SIGKILL)


def test_a_run_killed_in_one_stage_after_the_other_resumes_and_ends_well(
    home: Home, write_workload: Callable[..., Path]
) -> None:
    workload = write_workload()
    for number, stage in enumerate(["validate", "train", "evaluate"]):
        process = start(home, workload)
        try:
            kill_when(process, home, number, stage)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        states = {record.stage: record.state for record in runs_of(home, "flights")[0].stages}
        assert states[stage] == "interrupted"
    process = start(home, workload)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    states = {record.stage: record.state for record in runs_of(home, "flights")[0].stages}
    done = BUILD_STAGES.index("evaluate")
    assert [states[stage] for stage in BUILD_STAGES] == ["cached"] * done + ["ran"] * (len(BUILD_STAGES) - done)
    # Nothing half-made is left over: no scratch folder in any room.
    rooms = ("snapshots", "validated", "quarantine", "prepared", "builds")
    assert [path.name for room in rooms for path in home.room(room).glob(".*")] == []
