"""Services whose parent is killed, or that are asked to stop: nobody is left, and the port is free."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.data_plane.tables.content_types import ARROW
from tests.deployments.hostile_tables import arrow
from tests.deployments.processes import Running, wait_until
from tests.deployments.small_build import Sample
from tests.deployments.test_hostile_tables import below, sound_table


def _nobody_is_left(processes: list[int]) -> bool:
    return not any(_lives(process) for process in processes)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _is_free(address: tuple[str, int]) -> bool:
    with socket.socket() as found:
        # Connections that were closed a moment ago hold nobody up.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen(1)
        except OSError:
            return False
    return True


def test_workers_and_readers_end_with_a_parent_that_is_killed(
    serve: Callable[..., Running], build: Path, sample: Sample
) -> None:
    running = serve("--build", build, workers=2)
    for _ in range(8):
        body = arrow(sound_table(sample))
        assert running.client.post("/v1/score", content=body, headers={"content-type": ARROW}).status_code == 200
    processes = below(running.process.pid)
    assert len(processes) > 3
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: _nobody_is_left(processes))
    assert _is_free(running.address)


def test_a_service_stops_in_order_when_its_owner_is_killed(
    serve: Callable[..., Running], build: Path, tmp_path: Path
) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    running = serve("--build", build, "--owner", str(owner.pid), "--predictions", tmp_path / "log")
    assert running.post([]).status_code == 422
    processes = below(running.process.pid)
    owner.kill()
    owner.communicate()
    assert running.process.wait(timeout=20) == 0
    wait_until(lambda: _nobody_is_left(processes))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_of_the_whole_group_ends_in_order(
    serve: Callable[..., Running], build: Path, workers: int
) -> None:
    running = serve("--build", build, workers=workers)
    processes = below(running.process.pid)
    for process in processes:
        os.kill(process, signal.SIGINT)
    assert running.process.wait(timeout=20) == 0
    assert running.log.read_text() == ""
    assert _nobody_is_left(processes)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_supervisor_that_ends_every_process_of_a_service_waits_for_its_drain(
    serve: Callable[..., Running], build: Path, sample: Sample, workers: int
) -> None:
    running = serve("--build", build, "--drain-seconds", "3", workers=workers)
    processes = below(running.process.pid)
    for process in processes:
        os.kill(process, signal.SIGTERM)
    # The command passes on what it was sent: asked once all the same.
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: running.client.get("/readyz").status_code == 503)
    assert running.post([sample.rows(1)[0]]).status_code == 200
    assert all(map(_lives, processes))
    assert running.process.wait(timeout=20) == 0
    assert running.log.read_text() == ""
    assert _nobody_is_left(processes)


def test_a_worker_that_is_asked_to_end_alone_leaves_that_to_its_parent(
    serve: Callable[..., Running], build: Path, sample: Sample
) -> None:
    running = serve("--build", build)
    _, worker, *_ = processes = below(running.process.pid)
    os.kill(worker, signal.SIGTERM)
    assert running.post([sample.rows(1)[0]]).status_code == 200
    assert below(running.process.pid) == processes
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: _nobody_is_left(processes))


def test_the_counts_of_a_killed_service_go_when_the_next_one_starts(
    serve: Callable[..., Running], build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    killed = serve("--build", build, workers=2)
    (left,) = tmp_path.glob(".slipway-counts.*")
    processes = below(killed.process.pid)
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    wait_until(lambda: _nobody_is_left(processes))
    assert left.is_dir()
    running = serve("--build", build, workers=2)
    (own,) = tmp_path.glob(".slipway-counts.*")
    assert own != left
    assert running.stop() == 0
    assert not list(tmp_path.glob(".slipway-counts.*"))


OWNER = """
import sys, time
from components.service.process import serving
with serving(["--build", sys.argv[1], "--port", "0", "--workers", "1"]) as (endpoint, process):
    print(process.pid, flush=True)
    time.sleep(600)
"""


def test_what_asks_a_build_and_is_killed_leaves_no_service_behind(build: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(build)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    processes = below(int(owner.stdout.readline()))
    assert len(processes) > 1
    owner.kill()
    owner.communicate()
    wait_until(lambda: _nobody_is_left(processes))
