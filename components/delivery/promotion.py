"""Make a build the champion, or take that back: checked live first, written once, recorded in the ledger."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from components.answer_shape import side_by_side
from components.builds.build import Build, open_build
from components.builds.live_check import LiveCheck, check_live
from components.builds.packaging import json_rows
from components.builds.parity_ladder import climb
from components.builds.rehearsal import ladder_measure
from components.builds.signing import public_key_path
from components.catalog import find_kind
from components.declaration import Workload
from components.delivery.registry import CHALLENGER, aliased_build, set_champion
from components.delivery.rollout import Rollout, promoted, read_rollout, rolled_back, rollout_path, write_rollout
from components.errors import BuildError, GateError
from components.judgement.evidence import Measure
from components.judgement.gates import GateReport, promotion_gates
from components.judgement.hold_out import labels_of
from components.judgement.metrics import paired_difference
from components.provenance import dependency_graph, environment_differences
from components.result import Result
from components.settings import Home, Settings

LIVE_ROWS = 500


class Promotion(Result):
    """What was promoted, what it replaced, and what a client saw of it before."""

    build_id: str
    replaced: str | None
    live: LiveCheck
    gates: GateReport
    rollout: Path
    dry_run: bool


def challenger_of(workload: Workload, build_id: str | None, home: Home, settings: Settings) -> Build:
    """Open the build to be promoted: the one named, else the registry's challenger."""
    chosen = build_id or aliased_build(workload.name, CHALLENGER, home=home, settings=settings)
    if chosen is None:
        raise BuildError(f"{workload.name} has no challenger: run 'slipway build {workload.name}' first")
    build = open_build(home.room("builds", chosen))
    if build.manifest.workload != workload.name:
        raise BuildError(f"build {chosen} is of workload {build.manifest.workload}, not {workload.name}")
    return build


def promote_challenger(
    workload: Workload,
    build: Build,
    home: Home,
    settings: Settings,
    *,
    accept: Collection[str] = (),
    dry_run: bool = False,
) -> Promotion:
    """Serve the build, judge what a client sees of it, and make it the champion if every gate passes.

    ``accept`` names gates whose failure is accepted; the ledger says so. Raises GateError with every refusal.
    """
    path = rollout_path(home.room("rollouts"), workload.name)
    before = read_rollout(path, workload.name)
    ladder = climb(build)
    if ladder.broken:
        # Not served even to be looked at; and the data plane would only say that it refuses.
        raise GateError(f"{build.build_id} is not promoted: parity-ladder: {ladder.told()}; build it again")
    rows, evaluated = held_out(build)
    live, answers = check_live(build, rows, evaluated, settings.price_per_hour, public_key_path(settings.key()))
    ladder = ladder.stepped("live", answers)
    report = promotion_gates(
        workload,
        GateReport.model_validate_json((build.path / "gates.json").read_bytes()),
        environment=environment_differences(dependency_graph()),
        broken_rungs=ladder_measure(ladder),
        live_parity=live.max_difference,
        latency_p95_ms=live.latency_p95_ms,
        serving_usd_per_1000=live.usd_per_1000,
        champion=against_champion(workload, build, before),
    )
    refused = [verdict for verdict in report.refused if verdict.gate not in accept]
    if refused and not report.passed:
        told = "; ".join(verdict.line for verdict in refused)
        raise GateError(
            f"{build.build_id} is not promoted: {told}. The build is kept at {build.path}; "
            "mend the cause, or accept a gate by name with --accept"
        )
    if not dry_run:
        accepted = f"; accepted in spite of: {', '.join(sorted(accept))}" if accept else ""
        write_rollout(path, promoted(before, build.build_id, build.path, f"every gate judged{accepted}"))
        set_champion(workload.name, build.build_id, home=home, settings=settings)
    replaced = before.champion if before.champion != build.build_id else None
    return Promotion(build_id=build.build_id, replaced=replaced, live=live, gates=report, rollout=path, dry_run=dry_run)


def against_champion(workload: Workload, build: Build, rollout: Rollout) -> Measure | str | None:
    """Return how much better the build is than the one that serves, or why that cannot be said.

    None if there is nothing to be better than: no champion, or the same build.
    """
    if rollout.champion_path is None or rollout.champion == build.build_id:
        return None
    try:
        return _gain(workload, build, open_build(Path(rollout.champion_path)))
    except BuildError as error:
        return f"the champion {rollout.champion} cannot be compared: {error}"


def _gain(workload: Workload, build: Build, champion: Build) -> Measure:
    """Compare on the build's own hold-out, row by row paired; BuildError if the champion cannot answer its rows."""
    contract = build.contract()
    if lacking := {field.name for field in champion.contract().inputs} - {field.name for field in contract.inputs}:
        raise BuildError(f"it takes {', '.join(sorted(lacking))}, which the new build does not know")
    shape, other = build.serving().answer, champion.serving().answer
    if (shape.label, shape.judged) != (other.label, other.judged):
        raise BuildError(
            f"it answers {', '.join(other.judged)} of {other.label}, the new one {', '.join(shape.judged)}"
        )
    scored = build.path / "reference.parquet"
    frame = pl.read_parquet(scored)
    answers = find_kind(champion.manifest.kind).predict_file(champion.model, champion.contract(), scored)
    labels = labels_of(frame, contract)
    pair = (side_by_side([frame[name].to_numpy() for name in shape.judged]), other.point(answers))
    better, worse = pair if workload.higher_is_better else pair[::-1]
    found = paired_difference(workload.goal.metric, labels, better, worse, seed=workload.seed)
    detail = f"{champion.build_id} on the same rows"
    return Measure.of("gain_over_champion", found, source="promotion", unit=workload.goal.metric, detail=detail)


def held_out(build: Build) -> tuple[list[dict[str, object]], NDArray[Any]]:
    """Return held-out rows as a client sends them, and the numbers evaluated for each, [rows, columns]."""
    scored = pl.read_parquet(build.path / "reference.parquet").head(LIVE_ROWS)
    numbers = scored.select(pl.col(build.serving().answer.columns).cast(pl.Float64))
    return json_rows(scored, build.contract()), numbers.to_numpy()


def roll_back(workload: Workload, home: Home, settings: Settings, *, reason: str, dry_run: bool = False) -> str:
    """Make the previous champion serve again and return its id; BuildError if there is none or it is damaged."""
    path = rollout_path(home.room("rollouts"), workload.name)
    after = rolled_back(read_rollout(path, workload.name), reason)
    assert after.champion
    assert after.champion_path
    open_build(Path(after.champion_path))
    if not dry_run:
        write_rollout(path, after)
        set_champion(workload.name, after.champion, home=home, settings=settings)
    return after.champion


def champion_of(workload: Workload, home: Home) -> Build:
    """Open the build that serves; BuildError if nothing was ever promoted."""
    rollout = read_rollout(rollout_path(home.room("rollouts"), workload.name), workload.name)
    if rollout.champion_path is None:
        raise BuildError(
            f"{workload.name} has no champion yet: run 'slipway run {workload.name}', or 'slipway promote "
            f"{workload.name}' if there is a build"
        )
    return open_build(Path(rollout.champion_path))
