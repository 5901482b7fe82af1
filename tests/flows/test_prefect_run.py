"""How a run stands in Prefect: its names, tags, artifacts and log, and results that all runs on a home share."""

from pathlib import Path
from typing import Any

import pytest

from components.declaration import Workload
from components.errors import HostError
from components.result import Result
from components.settings import Home, Settings
from flows.killed_runs import STARTED_BY_A_WORKER
from flows.prefect_run import check_home_lasts
from tests.conftest import REPOSITORY


class Weighed(Result):
    """A small result."""

    grams: int


def weigh(workload: Workload, home: Home, ran: list[int], folder: Path) -> Any:
    """Run a flow of one stage as another runner would, whose own results lie in ``folder``; return its state."""
    from prefect import flow
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    from flows.prefect_run import known_to_prefect
    from tasks.stage import stage

    @stage("weigh", artifact=lambda weighed: f"{weighed.grams} g", lines=lambda weighed: [f"{weighed.grams} g in all"])
    def weigh(workload: Workload) -> Weighed:
        ran.append(1)
        return Weighed(grams=3)

    @flow(name="weigh-it")
    def weigh_it() -> Any:
        with known_to_prefect(home, workload.name):
            return weigh(workload, return_state=True)

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: folder}):
        return weigh_it()


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
    assert "delay_band" in run.tags
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

    from components.errors import SlipwayError
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
