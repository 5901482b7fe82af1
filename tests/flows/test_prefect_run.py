"""How a run stands in Prefect: its names, tags, artifacts and log, and results that all runs on a home share."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from components.artefacts.errors import HostError
from components.artefacts.storage import this_process, write_json
from components.declaration.workload import Workload
from components.result import Result
from components.run_ledger import RunRecord, State
from components.settings import Home, Settings
from flows.doctor import examine
from flows.killed_runs import PROCESS_LABEL, STARTED_BY_A_WORKER
from flows.prefect_run import check_home_lasts
from tests.conftest import REPOSITORY


class Weighed(Result):
    """A small result."""

    grams: int


def weigh(workload: Workload, home: Home, ran: list[int], folder: Path) -> Any:
    """Run a flow of one stage as another runner would, whose own results lie in ``folder``; return its state."""
    from prefect import flow
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    from components.run_ledger import recorded_run
    from flows.prefect_run import known_to_prefect
    from tasks.stage import stage

    @stage("weigh", artifact=lambda weighed: f"{weighed.grams} g", lines=lambda weighed: [f"{weighed.grams} g in all"])
    def weigh(workload: Workload) -> Weighed:
        ran.append(1)
        return Weighed(grams=3)

    @flow(name="weigh-it")
    def weigh_it() -> Any:
        with recorded_run(home, workload.name, "weigh-it"), known_to_prefect(home, workload.name):
            return weigh(workload, return_state=True)

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: folder}):
        return weigh_it()


@pytest.mark.usefixtures("orchestrator")
def test_a_run_whose_process_has_ended_does_not_stay_running_in_prefect_whenever_it_was_killed(
    workload: Workload, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL
    from prefect.states import Running

    def begin(name: str, process: str, state: State | None = None, error: str = "") -> UUID:
        number = client.create_flow_run(flow(lambda: None, name="killed"), name=name, state=Running()).id
        client.update_flow_run_labels(number, {PROCESS_LABEL: process})
        if not state:
            return number
        record = RunRecord(
            run_id=f"{workload.name}-{name}",
            workload=workload.name,
            flow="build-model",
            started="2026-01-01T00:00:00+00:00",
            process=process,
            state=state,
            error=error,
        )
        write_json(home.room("runs", f"{record.run_id}.json"), record)
        return number

    def stands(number: UUID) -> tuple[str, str | None]:
        state = client.read_flow_run(number).state
        assert state
        return state.name, state.message

    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        own = this_process()
        killed = [own.replace(f"-{os.getpid()}-", f"-{ended.pid}-") + began for began in "12345"]
    with get_client(sync_client=True) as client:
        before_it_was_written_down = begin("before", killed[0])
        in_a_stage = begin("in-a-stage", killed[1], "running")
        at_its_end = begin("at-its-end", killed[2], "failed", "stopped by Ctrl-C")
        about_to_tell = begin("about-to-tell", own, "ran")
        weigh(workload, home, [], tmp_path)
        for number in (before_it_was_written_down, in_a_stage):
            assert stands(number)[0] == "Crashed"
            assert "ended without a word" in str(stands(number)[1])
        assert stands(at_its_end) == ("Crashed", "stopped by Ctrl-C")
        assert stands(about_to_tell)[0] == "Running"

        # The doctor tells the server that the environment names, if it answers.
        seen_by_the_doctor = begin("seen-by-the-doctor", killed[3], "running")
        monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
        assert any(finding.found.endswith("Prefect was told") for finding in examine(home))
        assert stands(seen_by_the_doctor)[0] == "Crashed"
        begin("not-told", killed[4], "running")
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
        assert any("Prefect could not be told: no Prefect server" in finding.found for finding in examine(home))


@pytest.mark.usefixtures("orchestrator")
def test_runs_of_one_home_share_results_and_all_of_them_leave_an_artifact_of_their_workload(
    workload: Workload, home: Home, tmp_path: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    workload = workload.model_copy(update={"name": "delay_band"})
    ran: list[int] = []
    first = weigh(workload, home, ran, tmp_path / "of the command line")
    second = weigh(workload, home, ran, tmp_path / "of a worker")
    assert (first.name, second.name, len(ran)) == ("Completed", "Cached", 1)
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["delay-band-weigh"]))
        )
        assert {one.task_run_id for one in artifacts} == {state.state_details.task_run_id for state in (first, second)}
        assert {one.data for one in artifacts} == {"3 g"}
        run = client.read_flow_run(second.state_details.flow_run_id)
        task = client.read_task_run(first.state_details.task_run_id)
    assert "delay_band" in run.tags
    # Of each tag of a task Prefect asks its server for a limit.
    assert (task.name, task.tags) == ("delay_band weigh", [])
    assert run.name.startswith("delay_band ")
    weigh(workload, Home(tmp_path / "another home"), ran, tmp_path / "of the command line")
    assert len(ran) == 2


def test_a_relative_home_is_refused_under_a_worker_and_only_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(STARTED_BY_A_WORKER, raising=False)
    check_home_lasts(Settings(home=Path(".slipway")))
    monkeypatch.setenv(STARTED_BY_A_WORKER, "0b3ad0b4")
    check_home_lasts(Settings(home=tmp_path))
    check_home_lasts(Settings(home=Path("~/slipway")))
    with pytest.raises(
        HostError, match=r"SLIPWAY_HOME is '\.slipway', which is relative.*set SLIPWAY_HOME to an absolute path"
    ):
        check_home_lasts(Settings(home=Path(".slipway")))


def test_a_parameter_out_of_its_bounds_is_told_in_one_line() -> None:
    from prefect.exceptions import ParameterTypeError

    from components.artefacts.errors import SlipwayError
    from flows.prefect_run import told_parameters

    with (
        pytest.raises(SlipwayError, match=r"^Flow run received invalid parameters: - data: too long$"),
        told_parameters(),
    ):
        raise ParameterTypeError("Flow run received invalid parameters:\n - data: too long")


FORMS = ("build_model", "end_to_end", "estimate_training", "monitor_drift", "promote_build", "reproduce_build",
         "score_batch", "selftest_gates")  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_field_of_a_form_is_described_typed_and_bounded(name: str) -> None:
    import importlib

    from prefect.utilities.callables import parameter_schema

    assert {path.stem for path in (REPOSITORY / "flows").glob("*.py") if "@flow(" in path.read_text()} == set(FORMS)
    properties = parameter_schema(getattr(importlib.import_module(f"flows.{name}"), name)).properties
    for field, form in properties.items():
        # "Property is type None" is what the form shows of an alternative that is null.
        assert form.get("type") in {"string", "boolean", "number", "array"}, field
        assert form.get("description"), field
        bounds = {"string": "maxLength", "number": "maximum", "array": "maxItems"}
        if form.get("format") != "path" and form["type"] in bounds:
            assert bounds[form["type"]] in form, field
