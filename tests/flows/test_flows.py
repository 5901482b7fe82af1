"""The whole slipway as a flow on the sample, again from the cache, and again after something changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.artefacts.errors import GateError
from components.settings import Home
from flows.status import status_of
from tests.flows.build_stages import BUILD_STAGES


def states(home: Home, workload: Path) -> dict[str, str]:
    return {stage.stage: stage.state for stage in status_of(str(workload), home).stages}


def reasons(home: Home, workload: Path) -> dict[str, str]:
    return {stage.stage: stage.why for stage in status_of(str(workload), home).stages}


@pytest.fixture
def at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    as_at(home, monkeypatch)
    return home


def as_at(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    # The machine that runs the tests need not be the pinned one: that is a gate's business, judged elsewhere.
    monkeypatch.setattr("components.promotion.judging.environment_differences", lambda graph: ())


@pytest.fixture(scope="module")
def run_before(
    orchestrator: Path, document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Home, Any]:
    """A home in which the sample workload was run once, and what that came to; copy it, never change it."""
    from flows.end_to_end import end_to_end

    folder = tmp_path_factory.mktemp("run")
    home, workload = Home(folder / "home"), folder / "sample.yaml"
    workload.write_text(yaml.safe_dump(document, sort_keys=False))
    with pytest.MonkeyPatch.context() as monkeypatch:
        as_at(home, monkeypatch)
        return home, end_to_end(str(workload))


def test_a_run_builds_promotes_and_monitors_and_runs_again_from_the_cache(
    run_before: tuple[Home, Any],
    at_home: Home,
    write_workload: Callable[..., Path],
    document: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    from flows.end_to_end import end_to_end
    from flows.run_output import MOST_LINES, print_run

    workload = write_workload()
    before, first = run_before
    shutil.copytree(before.root, at_home.root)
    assert states(at_home, workload) == dict.fromkeys([*BUILD_STAGES, "register", "promote", "monitor"], "ran")
    assert set(reasons(at_home, workload).values()) == {"first run", "always runs"}
    summary = json.loads((at_home.root / "summary.json").read_text())
    assert summary["build_id"] == first.built.registered.build_id
    assert summary["promotion"]["live"]["max_difference"] <= 1e-5
    assert [stage["stage"] for stage in summary["stages"]] == [*BUILD_STAGES, "register", "promote", "monitor"]

    capsys.readouterr()
    print_run(at_home, first.built, first.promoted, first.monitored)
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= MOST_LINES
    assert said.startswith(f"flights: promoted. {first.built.registered.build_id} serves")
    assert "passed goal: The AUC is" in said
    assert f"dossier    {first.built.registered.build / 'dossier.html'}" in said

    again = end_to_end(str(workload))
    assert again.built.registered.build_id == first.built.registered.build_id
    found = states(at_home, workload)
    assert {stage: found[stage] for stage in BUILD_STAGES} == dict.fromkeys(BUILD_STAGES, "cached")

    # A gate's threshold is no business of the stages before it.
    write_workload({"gates": {**document["gates"], "calibration_error": 0.29}})
    end_to_end(str(workload))
    found = states(at_home, workload)
    assert {stage for stage in BUILD_STAGES if found[stage] == "ran"} == {"gate", "package"}
    assert "settings: gates.calibration_error" in reasons(at_home, workload)["gate"]

    # A result whose files are gone is made again.
    shutil.rmtree(at_home.room("prepared"))
    end_to_end(str(workload))
    found = states(at_home, workload)
    assert (found["validate"], found["prepare"], found["train"]) == ("cached", "ran", "cached")
    assert reasons(at_home, workload)["prepare"] == "nothing changed, but its result was not there any more"


def test_a_refused_build_stops_before_promotion_and_is_kept(
    run_before: tuple[Home, Any],
    at_home: Home,
    write_workload: Callable[..., Path],
    document: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows.command_line import main
    from flows.end_to_end import end_to_end
    from flows.run_output import MOST_LINES

    # Up to its gates nothing differs from the run before, of which this home has results alone, and no build.
    known = shutil.ignore_patterns("builds", "registry", "rollouts", "runs", "reports", "summary.json")
    shutil.copytree(run_before[0].root, at_home.root, ignore=known)
    workload = write_workload({"gates": {**document["gates"], "calibration_error": 1e-6}}, name="my flights.yaml")
    with pytest.raises(GateError, match="did not pass its gates: failed calibration"):
        end_to_end(str(workload))
    capsys.readouterr()

    def said(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["slipway", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    # The command line prints what it prints of any run, and no command that cannot work.
    code, out, err = said("run", str(workload))
    assert code == 5
    assert out.startswith("flights: refused. ")
    assert "failed calibration: " in out
    assert len(out.splitlines()) <= MOST_LINES
    assert f"slipway status '{workload}'" in out
    assert "slipway serve" not in out
    assert not [line for line in err.splitlines() if line.startswith("slipway: ")]
    code, _, err = said("promote", str(workload))
    assert code == 6
    assert "flights has no challenger: its latest build, flights-" in err
    assert "was refused by its gates (calibration" in err
    assert f"run 'slipway build '{workload}'' again" in err
    status = status_of(str(workload), at_home)
    assert status.state == "failed"
    assert status.champion is None
    summary = json.loads((at_home.root / "summary.json").read_text())
    assert Path(summary["build"]).is_dir()
    assert summary["promotion"] is None
