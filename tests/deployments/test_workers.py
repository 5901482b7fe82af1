"""How many workers there are, and that limits hold for all of them together."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import polars as pl
import psutil
import pytest

from components.artefacts.build import open_build, seal
from components.artefacts.machine import usable_cores
from components.artefacts.rollout import Rollout, promoted, write_rollout
from components.artefacts.storage import write_json
from deployments.data_plane import workers
from deployments.data_plane.options import Options
from deployments.data_plane.workers import choose_workers, share_limits
from tests.deployments.processes import Running, refused, wait_until
from tests.deployments.small_build import Sample

Serve = Callable[..., Running]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can say which cores a process may use")
def test_there_is_a_worker_for_each_core_that_may_be_used() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert choose_workers(None) == (1, "1 usable core")
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(("quota", "count"), [(0.5, 1), (1.5, 2), (6.0, 6)])
def test_no_more_than_the_control_group_grants(monkeypatch: pytest.MonkeyPatch, quota: float, count: int) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 8)
    monkeypatch.setattr(workers, "processor_quota", lambda: quota)
    assert choose_workers(None) == (count, f"the control group grants {quota:g} of 8 cores")


def test_bounds_of_memory_are_divided_and_nothing_else() -> None:
    declared = Options(queue_requests=10, queue_rows=100, queue_tables=8, log_rows=9, rate_limit=5.0)
    shared = share_limits(declared, 4)
    assert (shared.queue_requests, shared.queue_rows, shared.queue_tables, shared.log_rows) == (3, 25, 2, 3)
    assert (shared.workers, shared.rate_limit, shared.batch_rows) == (4, 5.0, declared.batch_rows)
    assert share_limits(declared, 1).queue_requests == 10


def test_the_service_says_how_many_workers_it_chose_and_why(serve: Serve, build: Path) -> None:
    running = serve("--build", build, workers=None)
    assert (running.workers, running.because) == choose_workers(None)
    assert len(psutil.Process(running.process.pid).children()) >= usable_cores()
    asked = serve("--build", build, workers=3)
    assert (asked.workers, asked.because) == (3, "asked for")


def test_a_client_has_one_rate_at_all_workers_together(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--rate-limit", "0.01", workers=3)
    (row,) = sample.rows(1)
    # Each time another connection, which the system hands to any worker.
    statuses = [httpx.post(f"{running.url}/v1/predict", json=row).status_code for _ in range(12)]
    assert statuses == [200] + [429] * 11


def test_a_promotion_reaches_every_worker_and_each_logs_for_itself(
    serve: Serve, build: Path, other_build: Path, sample: Sample, tmp_path: Path
) -> None:
    first, second = open_build(build), open_build(other_build)
    document = tmp_path / "flights.json"
    rollout = promoted(Rollout(workload="flights"), first.build_id, build, "first")
    write_rollout(document, rollout)
    running = serve("--rollout", document, "--predictions", tmp_path / "log", workers=2)
    (row,) = sample.rows(1)
    asked = 0

    def answering() -> set[str]:
        nonlocal asked
        asked += 20
        return {httpx.post(f"{running.url}/v1/predict", json=row).json()["build"] for _ in range(20)}

    wait_until(lambda: answering() == {first.build_id})
    write_rollout(document, promoted(rollout, second.build_id, other_build, "better"))
    wait_until(lambda: answering() == {second.build_id})
    assert running.stop() == 0
    parts = [pl.read_parquet(part) for part in (tmp_path / "log").glob("*/*.parquet")]
    assert sum(map(len, parts)) == asked


def test_workers_that_all_fail_are_one_line(build: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(build, wrong)
    write_json(wrong / "golden.json", {"rows": [], "columns": [], "answers": [], "tolerance": 0.1})
    seal(wrong, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    code, errors = refused("--build", wrong, "--workers", "3")
    assert (code, errors.count("\n")) == (7, 1)
