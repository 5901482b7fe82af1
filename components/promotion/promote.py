"""Make a build the champion, or take that back: checked live first, written once, recorded in the ledger.

A judgement takes seconds to minutes, and a rollback may land meanwhile: what serves is looked at again before it is
changed, and the change is refused if it is not what the judgement began with.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from components.artefacts.build import Build, open_build
from components.artefacts.errors import BuildError, GateError, HostError
from components.artefacts.rollout import (
    Rollout,
    RolloutMovedError,
    folder_of,
    place_of,
    promoted,
    read_rollout,
    rolled_back,
    rollout_path,
    unmoved,
    write_rollout,
)
from components.builds.kept_builds import folder_of_build
from components.builds.live_check import LiveCheck, check_live
from components.builds.packaging import json_rows
from components.builds.parity_ladder import Ladder, climb
from components.builds.rehearsal import ladder_measure
from components.builds.signing import public_key_path
from components.declaration import Workload
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.targets import label_unit
from components.gates.judge import GateReport, promotion_evidence, promotion_gates
from components.promotion.champion import Comparison, against_champion
from components.promotion.record import PromotionRecord, now, write_record
from components.provenance import dependency_graph, environment_differences
from components.registry.versions import CHALLENGER, aliased_build, check_registered, set_champion
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
    served_already: bool = Field(False, description="It was the champion before.")

    @property
    def instead_of(self) -> str:
        """Say what served before it."""
        return "as it did before" if self.served_already else f"instead of {self.replaced or 'nothing'}"


def challenger_of(workload: Workload, build_id: str | None, home: Home, settings: Settings) -> Build:
    """Open the build to be promoted: the one named, else the registry's challenger."""
    chosen = build_id or aliased_build(workload.name, CHALLENGER, home=home, settings=settings)
    if chosen is None:
        raise BuildError(f"{workload.name} has no challenger: run 'slipway build {workload.name}' first")
    folder = folder_of_build(home.room("builds"), chosen)
    build = open_build(folder, public_key_path(settings.key()), build_id=chosen)
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
    failure is accepted; the ledger says so. Raises GateError with every refusal, RolloutMovedError if who serves was
    changed while it was judged: then nothing else is.
    """
    path = rollout_path(home.room("rollouts"), workload.name)
    before = read_rollout(path, workload.name)
    live, evidence, report = _judged(workload, build, before, path, settings)
    refused = [] if report.passed else [verdict for verdict in report.refused if verdict.gate not in accept]

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
    if refused or dry_run:
        written = write_record(path.parent, record)
        show(record, written)
    else:
        written = _put_on_record(record, build, before, path, home, settings, show)
    if refused:
        told = "; ".join(verdict.line for verdict in refused)
        raise GateError(
            f"{build.build_id} is not promoted: {told}. The build is kept at {build.path}, what it was judged by at "
            f"{written}; mend the cause, or accept a gate by name with --accept"
        )
    return Promotion(
        build_id=build.build_id,
        replaced=before.champion if before.champion != build.build_id else None,
        live=live,
        gates=report,
        gains=evidence.named("gain_over_champion"),
        evidence=written,
        rollout=path,
        dry_run=dry_run,
        served_already=before.champion == build.build_id,
    )


def _put_on_record(
    record: PromotionRecord,
    build: Build,
    before: Rollout,
    path: Path,
    home: Home,
    settings: Settings,
    show: Callable[[PromotionRecord, Path], None],
) -> Path:
    """Make a build the champion that was judged when ``before`` was the state; return where its judgement is kept."""
    check_registered(before.workload, build.build_id, home=home, settings=settings)
    accepted = f"; accepted in spite of: {', '.join(record.accepted)}" if record.accepted else ""
    try:
        with unmoved(path, before):
            written = write_record(path.parent, record)
            place, reason = place_of(path, build.path), f"every gate judged{accepted}"
            _put_in_place(path, promoted(before, build.build_id, place, reason, written.name), home, settings)
    except RolloutMovedError as moved:
        record = record.model_copy(update={"outcome": "overtaken"})
        show(record, write_record(path.parent, record))
        raise RolloutMovedError(
            f"{build.build_id} is not promoted: {moved}. Nothing was changed; the same command judges it against what "
            "serves now"
        ) from None
    # Not within the lock: it may have to be sent somewhere.
    show(record, written)
    return written


def _put_in_place(path: Path, after: Rollout, home: Home, settings: Settings) -> None:
    """Write who serves, then what the registry says of it; both within the same lock, so that both say the same."""
    assert after.champion
    write_rollout(path, after)
    try:
        set_champion(after.workload, after.champion, home=home, settings=settings)
    except HostError as error:
        raise HostError(
            f"{after.champion} serves {after.workload} now, but the registry still names another champion ({error}); "
            f"'slipway promote --build {after.champion}' mends that once it answers again"
        ) from error


def _judged(
    workload: Workload, build: Build, before: Rollout, path: Path, settings: Settings
) -> tuple[LiveCheck, Evidence, GateReport]:
    """Return what a client saw of a build, the evidence of that and of the champion's answers, and the verdicts."""
    ladder = climb(build)
    if ladder.broken:
        # Not served even to be looked at; and the data plane would only say that it refuses.
        raise GateError(f"{build.build_id} is not promoted: parity-ladder: {ladder.told()}; build it again")
    rows, evaluated = held_out(build)
    live, answers = check_live(build, rows, evaluated, settings.price_per_hour)
    found = against_champion(workload, build, before.champion, partial(_open_champion, before, path, settings))
    evidence = _evidence(workload, build, live, ladder.stepped("live", answers), found)
    return live, evidence, promotion_gates(workload, evidence, not_compared=found.impossible if found else "")


def _evidence(workload: Workload, build: Build, live: LiveCheck, ladder: Ladder, found: Comparison | None) -> Evidence:
    evidence = promotion_evidence(
        workload,
        GateReport.model_validate_json(build.read("gates.json")),
        model=build.build_id,
        environment=environment_differences(dependency_graph()),
        broken_rungs=ladder_measure(ladder),
        live_parity=live.max_difference,
        latency_p95_ms=live.latency_p95_ms,
        serving_usd_per_1000=live.usd_per_1000,
        champion=found.gains if found else (),
    )
    tables = {"slices_too_small": list(found.too_small)} if found and found.too_small else {}
    return evidence.model_copy(update={"tables": tables, "unit": label_unit(build.contract())})


def held_out(build: Build) -> tuple[list[dict[str, object]], NDArray[Any]]:
    """Return held-out rows as a client sends them, and the numbers evaluated for each, [rows, columns]."""
    scored = pl.read_parquet(build.read("reference.parquet"), glob=False).head(LIVE_ROWS)
    numbers = scored.select(pl.col(build.serving().answer.columns).cast(pl.Float64))
    return json_rows(scored, build.contract()), numbers.to_numpy()


def roll_back(workload: Workload, home: Home, settings: Settings, *, reason: str, dry_run: bool = False) -> str:
    """Make the previous champion serve again and return its id; BuildError if there is none or it is damaged.

    RolloutMovedError if who serves was changed meanwhile: what was to be left may serve no longer.
    """
    path = rollout_path(home.room("rollouts"), workload.name)
    before = read_rollout(path, workload.name)
    after = rolled_back(before, reason)
    assert after.champion
    _open_champion(after, path, settings)
    check_registered(workload.name, after.champion, home=home, settings=settings)
    if not dry_run:
        try:
            with unmoved(path, before):
                _put_in_place(path, after, home, settings)
        except RolloutMovedError as moved:
            raise RolloutMovedError(
                f"{workload.name} is not rolled back: {moved}. Nothing was changed; see 'slipway status "
                f"{workload.name}' and roll back again if that is still wanted"
            ) from None
    return after.champion


def champion_of(workload: Workload, home: Home, settings: Settings) -> Build:
    """Open the build that serves; BuildError if nothing was ever promoted."""
    path = rollout_path(home.room("rollouts"), workload.name)
    rollout = read_rollout(path, workload.name)
    if rollout.champion is None:
        raise BuildError(
            f"{workload.name} has no champion yet: run 'slipway run {workload.name}', or 'slipway promote "
            f"{workload.name}' if there is a build"
        )
    return _open_champion(rollout, path, settings)


def _open_champion(rollout: Rollout, path: Path, settings: Settings) -> Build:
    folder = folder_of(path, rollout.champion_path or "")
    return open_build(folder, public_key_path(settings.key()), build_id=rollout.champion)
