"""Make a build the champion, or take that back: checked live first, written once, recorded in the ledger."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from components.builds.build import Build, open_build
from components.builds.live_check import LiveCheck, check_live
from components.builds.packaging import json_rows
from components.builds.parity_ladder import climb
from components.builds.rehearsal import ladder_measure
from components.builds.signing import public_key_path
from components.declaration import Workload
from components.delivery.champion import against_champion
from components.delivery.promotion_record import PromotionRecord, now, write_record
from components.delivery.registry import CHALLENGER, aliased_build, check_registered, set_champion
from components.delivery.rollout import promoted, read_rollout, rolled_back, rollout_path, write_rollout
from components.errors import BuildError, GateError
from components.judgement.evidence import Measure
from components.judgement.gates import GateReport, promotion_evidence, promotion_gates
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
    gains: tuple[Measure, ...] = Field(description="Over the champion on the same rows: of the whole, of its slices.")
    evidence: Path = Field(description="What it was judged by, beside the rollout document.")
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
    show: Callable[[PromotionRecord, Path], None] = lambda record, written: None,
) -> Promotion:
    """Serve the build, judge what a client sees of it, and make it the champion if every gate passes.

    What it was judged by is written beside the rollout document and shown in any case. ``accept`` names gates whose
    failure is accepted; the ledger says so. Raises GateError with every refusal.
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
    found = against_champion(workload, build, before)
    evidence = promotion_evidence(
        workload,
        GateReport.model_validate_json((build.path / "gates.json").read_bytes()),
        model=build.build_id,
        environment=environment_differences(dependency_graph()),
        broken_rungs=ladder_measure(ladder),
        live_parity=live.max_difference,
        latency_p95_ms=live.latency_p95_ms,
        serving_usd_per_1000=live.usd_per_1000,
        champion=found.gains if found else (),
    )
    if found and found.too_small:
        evidence = evidence.model_copy(update={"tables": {"slices_too_small": list(found.too_small)}})
    report = promotion_gates(workload, evidence, not_compared=found.impossible if found else "")
    refused = [] if report.passed else [verdict for verdict in report.refused if verdict.gate not in accept]
    if not refused and not dry_run:
        check_registered(workload.name, build.build_id, home=home, settings=settings)
    record = PromotionRecord(
        at=now(),
        build_id=build.build_id,
        champion=before.champion,
        outcome="refused" if refused else "dry run" if dry_run else "promoted",
        accepted=tuple(sorted(accept)),
        live=live,
        evidence=evidence,
        gates=report,
    )
    written = write_record(path.parent, record)
    show(record, written)
    if refused:
        told = "; ".join(verdict.line for verdict in refused)
        raise GateError(
            f"{build.build_id} is not promoted: {told}. The build is kept at {build.path}, what it was judged by at "
            f"{written}; mend the cause, or accept a gate by name with --accept"
        )
    if not dry_run:
        accepted = f"; accepted in spite of: {', '.join(sorted(accept))}" if accept else ""
        after = promoted(before, build.build_id, build.path, f"every gate judged{accepted}", written.name)
        write_rollout(path, after)
        set_champion(workload.name, build.build_id, home=home, settings=settings)
    return Promotion(
        build_id=build.build_id,
        replaced=before.champion if before.champion != build.build_id else None,
        live=live,
        gates=report,
        gains=record.gains,
        evidence=written,
        rollout=path,
        dry_run=dry_run,
    )


def held_out(build: Build) -> tuple[list[dict[str, object]], NDArray[Any]]:
    """Return held-out rows as a client sends them, and the numbers evaluated for each, [rows, columns]."""
    scored = pl.read_parquet(build.path / "reference.parquet", glob=False).head(LIVE_ROWS)
    numbers = scored.select(pl.col(build.serving().answer.columns).cast(pl.Float64))
    return json_rows(scored, build.contract()), numbers.to_numpy()


def roll_back(workload: Workload, home: Home, settings: Settings, *, reason: str, dry_run: bool = False) -> str:
    """Make the previous champion serve again and return its id; BuildError if there is none or it is damaged."""
    path = rollout_path(home.room("rollouts"), workload.name)
    after = rolled_back(read_rollout(path, workload.name), reason)
    assert after.champion
    assert after.champion_path
    open_build(Path(after.champion_path))
    check_registered(workload.name, after.champion, home=home, settings=settings)
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
