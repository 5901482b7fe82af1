"""The command line: help, one clear line for what a user can get wrong, JSON for machines."""

import contextlib
import errno
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.artefacts.errors import GateError
from components.run_ledger import recorded_run
from components.settings import Home
from flows import command_line

COMMANDS = [
    "new",
    "validate",
    "run",
    "build",
    "promote",
    "rollback",
    "serve",
    "score",
    "monitor",
    "status",
    "doctor",
    "estimate",
    "reproduce",
    "selftest",
    "check",
    "profile",
    "export",
    "import",
]


@pytest.fixture
def slipway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process; return exit code, stdout and stderr."""
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["slipway", *arguments])
        monkeypatch.setattr(sys, "path", [*sys.path])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(slipway: Any, command: str) -> None:
    code, out, _ = slipway(command, "--help")
    assert code == 0
    assert "Usage: slipway" in out
    assert "--json" in out


@pytest.mark.parametrize("command", [["check", "b1"], ["profile", "b1"], ["export", "b1", "b.bento"]])
def test_a_build_that_is_not_there_is_one_line_and_exit_code_6(
    slipway: Any, command: list[str], tmp_path: Path
) -> None:
    code, out, err = slipway(*command)
    assert (code, out) == (6, "")
    assert err.startswith("slipway: there is no build 'b1' in ")
    assert err.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_a_file_that_is_not_there_cannot_be_imported(slipway: Any, tmp_path: Path) -> None:
    code, out, err = slipway("import", str(tmp_path / "nothing.bento"))
    assert (code, out) == (6, "")
    assert "nothing.bento does not exist: give a file that 'slipway export' wrote" in err


@pytest.mark.parametrize("command", ["rollback", "serve", "status"])
def test_an_unknown_workload_is_one_line_and_exit_code_2(slipway: Any, command: str, tmp_path: Path) -> None:
    code, out, err = slipway(command, "trains")
    assert (code, out) == (2, "")
    assert err.startswith("slipway: unknown workload 'trains'; known: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("command", "told", "code"),
    [
        (["serve"], "has no champion yet", 6),
        (["rollback"], "nothing was ever promoted", 6),
        (["status"], "has not run in", 1),
    ],
)
def test_an_empty_home_says_what_to_do_first(slipway: Any, command: list[str], told: str, code: int) -> None:
    ended, _, err = slipway(*command, "flights")
    assert ended == code
    assert told in err
    assert "Traceback" not in err


def test_a_gate_that_does_not_exist_cannot_be_accepted(slipway: Any, tmp_path: Path) -> None:
    code, _, err = slipway("promote", "flights", "--accept", "chamipon", "--accept", "champion")
    assert code == 1
    assert "no gate of a promotion is called 'chamipon'; what --accept can name: champion, champion-slices, " in err
    assert not (tmp_path / "home").exists()


def test_the_version_is_told(slipway: Any) -> None:
    code, out, _ = slipway("--version")
    assert code == 0
    assert out.strip() == f"slipway {importlib.metadata.version('slipway')}"


def test_the_doctor_looks_at_the_workload_files_that_are_given(
    slipway: Any, write_workload: Callable[..., Path], tmp_path: Path
) -> None:
    sound, lacking = write_workload(), tmp_path / "lacking.yaml"
    code, out, _ = slipway("doctor", str(sound), str(lacking), "--json")
    findings = {one["check"]: one["state"] for one in json.loads(out) if one["check"].startswith("workload")}
    assert findings.keys() == {f"workload {sound}", f"workload {lacking}"}
    assert findings[f"workload {lacking}"] == "failed"
    assert code == 8


def test_the_last_build_stays_in_reach_and_no_error_is_told_twice(slipway: Any, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with recorded_run(home, "flights", "build-model") as ledger:
        ledger.stage("train").state = "ran"
    why = "flights-1 is not promoted: " + "a gate and its reason; " * 20 + "that is all"
    with contextlib.suppress(GateError), recorded_run(home, "flights", "promote-build") as ledger:
        ledger.stage("promote").detail = why
        raise GateError(why)
    code, out, _ = slipway("status", "flights")
    assert code == 0
    assert out.count("that is all") == 1
    assert max(map(len, out.splitlines())) <= 140
    assert "the last build: build-model ran on " in out
    assert "slipway status flights --last-build" in out
    code, out, _ = slipway("status", "flights", "--last-build")
    assert out.startswith("flights: build-model ran on ")
    assert "the last build" not in out


def test_errors_are_json_for_machines(slipway: Any) -> None:
    code, out, _ = slipway("status", "trains", "--json")
    assert code == 2
    assert json.loads(out)["error"] == "WorkloadError"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EROFS, "/a/file: read-only file system; SLIPWAY_HOME and the folder of the target must be writable"),
        (errno.ENOSPC, "/a/file: no space left on device; make room and run the same command again"),
    ],
)
def test_a_disk_that_takes_nothing_is_one_line(
    slipway: Any, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/a/file")

    monkeypatch.setattr("flows.doctor.examine", fail)
    code, _, err = slipway("doctor")
    assert code == 8
    assert err.startswith(f"slipway: {told}")
    assert len(err.splitlines()) == 1


def test_the_doctor_reports_and_changes_nothing(slipway: Any, tmp_path: Path) -> None:
    code, out, _ = slipway("doctor", "--json")
    findings = {finding["check"]: finding["state"] for finding in json.loads(out)}
    assert findings["Python"] == "passed"
    assert findings["workload flights"] in ("passed", "warning")
    assert code == 0
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("orchestrator")
def test_a_flow_that_fails_ends_in_one_line_without_a_traceback(
    slipway: Any, write_workload: Callable[..., Path], tmp_path: Path
) -> None:
    workload = write_workload({"source": {"path": "/nowhere/rows.parquet"}})
    code, out, err = slipway("build", str(workload), "--json")
    assert code == 3
    assert json.loads(out)["error"] == "SourceError"
    assert "/nowhere/rows.parquet does not exist" in err
    assert "Traceback" not in err
    assert not list((tmp_path / "home").glob("snapshots/*"))
    code, out, _ = slipway("status", str(workload), "--json")
    assert code == 0
    assert json.loads(out)["stages"][0]["state"] == "failed"
