"""One build or promotion of a workload at a time, between processes; a killed one leaves the way free."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.settings import Home
from components.workload_lock import only_run_of
from tests.conftest import REPOSITORY

HOLD = """
import sys
from pathlib import Path
from components.settings import Home
from components.workload_lock import only_run_of
home = Home(Path(sys.argv[1]), sys.argv[3])
with only_run_of(home, sys.argv[2], "build-model", lambda line: print(line, flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(home: Home, workload: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root), workload, home.address],
        cwd=REPOSITORY,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def end(*processes: "subprocess.Popen[str]") -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_another_process_waits_says_for_whom_and_goes_on_when_the_holder_is_killed(home: Home) -> None:
    first = holding(home, "shop")
    assert says(first) == "held"
    second = holding(home, "shop")
    try:
        line = says(second)
        assert "build-model of the same workload is at work since" in line
        assert f"(process {first.pid})" in line
        assert str(home.root) in line
        first.kill()
        assert says(second) == "held"
    finally:
        end(first, second)


def test_workloads_and_homes_do_not_wait_for_each_other(home: Home, tmp_path: Path) -> None:
    processes = [holding(home, "shop")]
    try:
        processes += [holding(home, "shop_two"), holding(Home(tmp_path / "other"), "shop")]
        assert [says(process) for process in processes] == ["held"] * 3
    finally:
        end(*processes)


def test_a_run_inside_of_the_one_that_holds_goes_on_at_once_and_frees_nothing(home: Home) -> None:
    def fail(line: str) -> None:
        pytest.fail(line)

    with only_run_of(home, "shop", "end-to-end", fail):
        with only_run_of(home, "shop", "build-model", fail):
            pass
        second = holding(home, "shop")
        try:
            assert "end-to-end" in says(second)
        finally:
            end(second)


def test_a_run_on_another_machine_waits_too(tmp_path: Path, s3: str) -> None:
    first, second = holding(Home(tmp_path / "here", s3), "shop"), None
    try:
        assert says(first) == "held"
        second = holding(Home(tmp_path / "there", s3), "shop")
        assert f"(process {first.pid}); only one run at a time builds or promotes shop in {s3}" in says(second)
        first.communicate("done")
        assert says(second) == "held"
    finally:
        end(first, *filter(None, [second]))
