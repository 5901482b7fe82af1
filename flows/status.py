"""What ``slipway status`` shows: the last run, why each stage ran or was cached, and who serves."""

from pathlib import Path

from pydantic import Field

from components.artefacts.errors import SlipwayError
from components.artefacts.rollout import Rollout
from components.declaration.loading import read_workload
from components.promotion.rollouts import rollout_of
from components.result import Result
from components.run_ledger import RunRecord, StageRecord, runs_of
from components.settings import Home
from components.stage_keys import StageKey, differences

# The flows that make a build.
BUILDING = ("build-model", "end-to-end")


class StageStatus(Result):
    """One stage of the last run and the reason for its state."""

    stage: str
    state: str
    seconds: float
    why: str
    note: str = ""


class Status(Result):
    """The last run of a workload and its rollout."""

    workload: str
    run_id: str
    flow: str
    started: str
    state: str
    seconds: float
    error: str
    stages: tuple[StageStatus, ...]
    others: tuple[str, ...] = Field(description="Other runs that still run.")
    last_build: str = Field("", description="What built last and how to see its stages, if that is another run.")
    champion: str | None
    previous: str | None
    history: tuple[str, ...]
    home: Path


def status_of(workload: str, home: Home, *, last_build: bool = False) -> Status:
    """Return the status of a workload; SlipwayError if it never ran in this home.

    ``last_build``: show the last run that built, whatever ran after it.
    """
    declared = read_workload(workload)
    name = declared.name
    runs = runs_of(home, name)
    if not runs:
        raise SlipwayError(f"{name} has not run in {home.root} yet: 'slipway run {declared.given}' starts it")
    builds = [place for place, run in enumerate(runs) if run.flow in BUILDING]
    if last_build and not builds:
        raise SlipwayError(f"{name} was not built in {home.root} yet: 'slipway build {declared.given}' does it")
    shown = builds[0] if last_build else 0
    last, earlier = runs[shown], runs[shown + 1 :]
    rollout = rollout_of(home.store, name)
    return Status(
        workload=name,
        run_id=last.run_id,
        flow=last.flow,
        started=last.started,
        state=last.told(last.state),
        seconds=last.seconds,
        error=last.error,
        stages=tuple(_status(stage, last, earlier) for stage in last.stages),
        others=tuple(f"{run.flow} since {run.started}: {_at(run)}" for run in runs if run.is_live and run is not last),
        last_build=_told_build(runs[builds[0]], declared.given) if builds and builds[0] != shown else "",
        champion=rollout.champion,
        previous=rollout.previous,
        history=_history(rollout),
        home=home.root,
    )


def _status(stage: StageRecord, run: RunRecord, earlier: list[RunRecord]) -> StageStatus:
    return StageStatus(
        stage=stage.stage,
        state=run.told(stage.state),
        seconds=stage.seconds,
        why=_why(stage, earlier),
        note=_note(stage, earlier),
    )


def _told_build(run: RunRecord, given: str) -> str:
    return f"{run.flow} {run.told(run.state)} on {run.started}; its stages: slipway status {given} --last-build"


def _at(run: RunRecord) -> str:
    return next((stage.stage for stage in run.stages if stage.state == "running"), "between stages")


def _note(stage: StageRecord, earlier: list[RunRecord]) -> str:
    """Return the stage's note, or the one it had when it ran with the same key."""
    found = [record for run in earlier for record in run.stages if record.key == stage.key and record.note]
    return stage.note or (found[0].note if found and stage.key else "")


def _why(stage: StageRecord, earlier: list[RunRecord]) -> str:
    if stage.key is None:
        return "always runs" if stage.state != "failed" else stage.detail
    before = _finished_key(stage.stage, earlier)
    changed = differences(before, stage.key)
    if stage.state == "cached":
        return "data, code, settings and environment unchanged" if not changed else "known from an earlier run"
    if not changed:
        return "nothing changed, but its result was not there any more"
    text = "; ".join(changed[:3]) + (f"; {len(changed) - 3} more" if len(changed) > 3 else "")
    return text if stage.state == "ran" else f"{stage.detail} ({text})" if stage.detail else text


def _finished_key(stage: str, runs: list[RunRecord]) -> StageKey | None:
    """Return the key under which the stage last ended well."""
    for run in runs:
        for record in run.stages:
            if record.stage == stage and record.state in ("ran", "cached") and record.key:
                return record.key
    return None


def _history(rollout: Rollout) -> tuple[str, ...]:
    return tuple(f"{change.at} {change.action} {change.build_id}: {change.reason}" for change in rollout.history)
