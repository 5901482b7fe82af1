"""The ledger: what happened is on disk as it happens, also when the run does not end well."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.artefacts.errors import SourceError
from components.artefacts.storage import write_json
from components.run_ledger import RunRecord, close_killed, current_ledger, own_run, recorded_run, runs_of
from components.settings import Home
from flows.ending import Stopped


def test_a_run_inside_a_run_records_into_the_outer_one(home: Home) -> None:
    with recorded_run(home, "w", "outer") as outer, recorded_run(home, "w", "inner") as inner:
        assert inner is outer
        inner.stage("ingest").state = "ran"
    (run,) = runs_of(home, "w")
    assert (run.flow, run.state, [stage.stage for stage in run.stages]) == ("outer", "ran", ["ingest"])
    assert current_ledger() is None


def test_a_record_that_cannot_be_read_stops_no_run(home: Home) -> None:
    home.room("runs").mkdir(parents=True)
    home.room("runs", "w-0.json").write_text('{"state": "of another version"}')
    with recorded_run(home, "w", "build"):
        pass
    assert [run.state for run in runs_of(home, "w")] == ["ran"]


def test_a_failed_run_says_why(home: Home) -> None:
    with pytest.raises(ValueError, match="no rows"), recorded_run(home, "w", "build"):
        raise ValueError("no rows")
    (run,) = runs_of(home, "w")
    assert (run.state, run.error) == ("failed", "ValueError: no rows")


def test_a_killed_run_is_on_disk_as_far_as_it_came(home: Home) -> None:
    with recorded_run(home, "w", "build") as ledger:
        ledger.stage("ingest").state = "ran"
        ledger.stage("train")
        ledger.save()
        (run,) = runs_of(home, "w")
        assert [(stage.stage, stage.state) for stage in run.stages] == [("ingest", "ran"), ("train", "running")]


def test_runs_come_newest_first_and_of_one_workload_only(home: Home) -> None:
    for workload in ("w", "w_two", "w"):
        with recorded_run(home, workload, "build"):
            pass
    found = runs_of(home, "w")
    assert [run.workload for run in found] == ["w", "w"]
    assert found[0].run_id > found[1].run_id


BESIDE = """
import sys, time
from pathlib import Path
from components.artefacts.storage import write_json
from components.run_ledger import recorded_run
from components.settings import Home
from flows.ending import Stopped
with recorded_run(Home(Path(sys.argv[1])), "w", "beside") as ledger:
    ledger.stage("train")
    ledger.save()
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_run_beside_is_live_until_its_process_ends_and_is_not_taken_for_ones_own(home: Home) -> None:
    beside = subprocess.Popen([sys.executable, "-c", BESIDE, str(home.root)], stdout=subprocess.PIPE, text=True)
    try:
        assert beside.stdout
        with recorded_run(home, "w", "own"):
            assert beside.stdout.readline() == "begun\n"
            latest, before = runs_of(home, "w")
            assert (latest.flow, latest.told("running"), latest.is_live) == ("beside", "running", True)
            own = own_run(home, "w")
            assert own
            assert own.run_id == before.run_id
            assert own.is_live
    finally:
        beside.kill()
        beside.communicate()
    latest = runs_of(home, "w")[0]
    assert (latest.flow, latest.state, latest.told("ran"), latest.is_live) == ("beside", "interrupted", "ran", False)
    assert "ended without a word in train: it was killed" in latest.error
    # So far it is only seen to be so; the next run, or the doctor, writes it down, once.
    assert [run.flow for run in close_killed(home)] == ["beside"]
    assert close_killed(home) == ()
    assert runs_of(home, "w")[0].error == latest.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "stopped by Ctrl-C"),
        (Stopped(signal.SIGTERM), "told to end (SIGTERM)"),
        (SystemExit(1), "its process was told to end, with exit code 1"),
        (SourceError("no rows"), "no rows"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_whatever_ends_a_run_is_a_reason_and_its_stage_has_ended_too(
    home: Home, error: BaseException, told: str
) -> None:
    def run_it() -> None:
        with recorded_run(home, "w", "build") as ledger:
            ledger.stage("train")
            raise error

    with pytest.raises(type(error)):
        run_it()
    (run,) = runs_of(home, "w")
    assert (run.state, run.error) == ("failed", told)
    assert [(stage.state, stage.detail) for stage in run.stages] == [("failed", told)]


def test_a_run_that_does_not_say_which_process_made_it_is_taken_for_ended() -> None:
    assert RunRecord(run_id="w-1", workload="w", flow="build", started="2026-01-01").told("running") == "interrupted"


def test_a_store_that_is_away_hides_no_end_of_a_run(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("components.store.bucket.RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away = Home(tmp_path / "home", "s3://slipway/away")
    with recorded_run(away, "w", "build"):
        pass
    with pytest.raises(ValueError, match="no rows"), recorded_run(away, "w", "build"):
        raise ValueError("no rows")
    assert capsys.readouterr().err.count("other machines do not see the run w-") == 2


def test_other_machines_learn_of_a_run_that_was_killed(tmp_path: Path, s3: str) -> None:
    here, there = Home(tmp_path / "here", s3), Home(tmp_path / "there", s3)
    killed = RunRecord(run_id="w-1", workload="w", flow="build", started="2026-01-01T00:00:00+00:00")
    write_json(here.room("runs", "w-1.json"), killed)
    assert [run.run_id for run in close_killed(here)] == ["w-1"]
    assert [run.state for run in runs_of(there, "w")] == ["interrupted"]
