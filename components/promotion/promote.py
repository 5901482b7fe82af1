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
from components.artefacts.errors import BuildError, GateError, HostError, SlipwayError
from components.artefacts.rollout import Rollout, place_of, promoted, rolled_back, rollout_path
from components.builds.kept_builds import folder_of_build
from components.builds.live_check import LiveCheck, check_live
from components.builds.packaging import json_rows
from components.builds.parity_ladder import Ladder, climb
from components.builds.rehearsal import ladder_measure
from components.builds.signing import public_key_path
from components.declaration.targets import label_unit
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure
from components.gates.judge import GateReport, promotion_gates
from components.gates.policy import promotion_gate_names
from components.gates.promotion_evidence import LiveMeasures, promotion_evidence
from components.promotion.champion import Comparison, against_champion
from components.promotion.record import PromotionRecord, now, write_record
from components.promotion.rollouts import RolloutMovedError, alone, open_champion, rollout_of, unmoved
from components.provenance import dependency_graph, environment_differences
from components.registry.versions import (
    CHALLENGER,
    CHAMPION,
    aliased_build,
    check_registered,
    latest_refused,
    set_champion,
)
from components.result import Result
from components.settings import Home, Settings
from components.store.reference import Reference

LIVE_ROWS = 500


class Promotion(Result):
    """What was promoted, what it replaced, and what a client saw of it before."""

    build_id: str
    replaced: str | None
    live: LiveCheck
    gates: GateReport
    gains: tuple[Measure, ...] = Field(description="Over the champion on the same rows: of the whole, of its slices.")
    stored_evidence: Reference = Field(
        alias="evidence", description="What it was judged by, beside the rollout document."
    )
    stored_rollout: Reference = Field(alias="rollout")
    dry_run: bool
    served_already: bool = Field(False, description="It was the champion before.")

    @property
    def evidence(self) -> Path:
        return self.stored_evidence.local()

    @property
    def instead_of(self) -> str:
        """Say what served before it."""
        return "as it did before" if self.served_already else f"instead of {self.replaced or 'nothing'}"


class PromotionRefused(GateError):
    """A build that may not serve: ``record`` is what it was judged by, ``written`` where that is kept.

    ``outcome`` is what the same run had built before, if it had.
    """

    def __init__(self, message: str, record: PromotionRecord, written: Path, outcome: object = None) -> None:
        super().__init__(message)
        self.record, self.written, self.outcome = record, written, outcome

    def __reduce__(self) -> tuple[type["PromotionRefused"], tuple[str, PromotionRecord, Path, object]]:
        # Prefect pickles what a run ended with.
        return type(self), (str(self), self.record, self.written, self.outcome)


def check_accepted(accept: Collection[str]) -> None:
    """Raise SlipwayError for names that no gate of a promotion has: what was meant would still be judged."""
    known = promotion_gate_names()
    if unknown := [name for name in accept if name not in known]:
        raise SlipwayError(
            f"no gate of a promotion is called {' or '.join(repr(name[:80]) for name in unknown)}; what --accept can "
            f"name: {', '.join(known)}"
        )


def challenger_of(workload: Workload, build_id: str | None, home: Home, settings: Settings) -> Build:
    """Open the build to be promoted: the one named, else the registry's challenger."""
    chosen = build_id or aliased_build(workload.name, CHALLENGER, home=home, settings=settings)
    if chosen is None:
        raise BuildError(f"{workload.name} has no challenger: {_instead_of_a_challenger(workload, home, settings)}")
    folder = folder_of_build(home.store, chosen)
    build = open_build(folder, public_key_path(settings.key()), build_id=chosen)
    if build.manifest.workload != workload.name:
        raise BuildError(f"build {chosen} is of workload {build.manifest.workload}, not {workload.name}")
    return build


def _instead_of_a_challenger(workload: Workload, home: Home, settings: Settings) -> str:
    """Say why there is no challenger: nothing was built, or the latest build was refused."""
    refused = latest_refused(workload.name, home=home, settings=settings)
    if refused is None:
        return f"run 'slipway build {workload.given}' first"
    folder = folder_of_build(home.store, refused)
    report = GateReport.model_validate_json(open_build(folder, public_key_path(settings.key())).read("gates.json"))
    gates = ", ".join(verdict.gate for verdict in report.refused)
    return (
        f"its latest build, {refused}, was refused by its gates ({gates}). Why is in {folder / 'dossier.html'}; mend "
        f"that and run 'slipway build {workload.given}' again"
    )


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
    failure is accepted; the ledger says so. Raises PromotionRefused with every refusal, RolloutMovedError if who
    serves was changed while it was judged: then nothing else is.
    """
    check_accepted(accept)
    before = rollout_of(home.store, workload.name)
    live, evidence, report = _judged(workload, build, before, home, settings)
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
        written = write_record(home, record)
        show(record, written.local())
    else:
        written = _put_on_record(workload, record, build, before, home, settings, show)
    if refused:
        told = "; ".join(verdict.line for verdict in refused)
        raise PromotionRefused(
            f"{build.build_id} is not promoted: {told}. The build is kept at {build.path}, what it was judged by at "
            f"{written}; mend the cause, or accept a gate by name with --accept",
            record,
            written.local(),
        )
    return Promotion(
        build_id=build.build_id,
        replaced=before.champion if before.champion != build.build_id else None,
        live=live,
        gates=report,
        gains=evidence.named("gain_over_champion"),
        stored_evidence=written,
        stored_rollout=home.reference("rollouts", f"{workload.name}.json"),
        dry_run=dry_run,
        served_already=before.champion == build.build_id,
    )


def _put_on_record(
    workload: Workload,
    record: PromotionRecord,
    build: Build,
    before: Rollout,
    home: Home,
    settings: Settings,
    show: Callable[[PromotionRecord, Path], None],
) -> Reference:
    """Make a build the champion that was judged when ``before`` was the state; return where its judgement is kept."""
    check_registered(before.workload, build.build_id, home=home, settings=settings)
    accepted = f"; accepted in spite of: {', '.join(record.accepted)}" if record.accepted else ""
    try:
        with unmoved(home.store, before) as write:
            written = write_record(home, record)
            place = place_of(rollout_path(home.room("rollouts"), before.workload), build.path)
            file = written.name.rpartition("/")[2]
            after = promoted(before, build.build_id, place, f"every gate judged{accepted}", file)
            _put_in_place(write, after, workload, home, settings)
    except RolloutMovedError as moved:
        record = record.model_copy(update={"outcome": "overtaken"})
        show(record, write_record(home, record).local())
        raise RolloutMovedError(
            f"{build.build_id} is not promoted: {moved}. Nothing was changed; the same command judges it against what "
            "serves now"
        ) from None
    # Not within the lock: it may have to be sent somewhere.
    show(record, written.local())
    return written


def _put_in_place(
    write: Callable[[Rollout], None], after: Rollout, workload: Workload, home: Home, settings: Settings
) -> None:
    """Write who serves, then what the registry says of it; both within the same lock, so that both say the same."""
    assert after.champion
    write(after)
    try:
        set_champion(after.workload, after.champion, home=home, settings=settings)
    except HostError as error:
        raise HostError(
            f"{after.champion} serves {after.workload} now, but the registry still names another champion ({error}); "
            f"'slipway promote {workload.given} --build {after.champion}' mends that once it answers again"
        ) from error


def _judged(
    workload: Workload, build: Build, before: Rollout, home: Home, settings: Settings
) -> tuple[LiveCheck, Evidence, GateReport]:
    """Return what a client saw of a build, the evidence of that and of the champion's answers, and the verdicts."""
    ladder = climb(build)
    if ladder.broken:
        # Not served even to be looked at; and the data plane would only say that it refuses.
        raise GateError(f"{build.build_id} is not promoted: parity-ladder: {ladder.told()}; build it again")
    rows, evaluated = held_out(build)
    live, answers = check_live(build, rows, evaluated, settings.price_per_hour)
    found = against_champion(workload, build, before.champion, partial(open_champion, before, home, settings))
    evidence = _evidence(workload, build, live, ladder.stepped("live", answers), found)
    return live, evidence, promotion_gates(workload, evidence, not_compared=found.impossible if found else "")


def _evidence(workload: Workload, build: Build, live: LiveCheck, ladder: Ladder, found: Comparison | None) -> Evidence:
    seen = LiveMeasures(
        environment=environment_differences(dependency_graph()),
        broken_rungs=ladder_measure(ladder),
        live_parity=live.max_difference,
        latency_p95_ms=live.latency_p95_ms,
        serving_usd_per_1000=live.usd_per_1000,
        champion=found.gains if found else (),
    )
    report = GateReport.model_validate_json(build.read("gates.json"))
    evidence = promotion_evidence(workload.name, build.build_id, report, seen)
    tables = {"slices_too_small": list(found.too_small)} if found and found.too_small else {}
    return evidence.model_copy(update={"tables": tables, "unit": label_unit(build.contract())})


def held_out(build: Build) -> tuple[list[dict[str, object]], NDArray[Any]]:
    """Return held-out rows as a client sends them, and the numbers evaluated for each, [rows, columns]."""
    scored = pl.read_parquet(build.read("reference.parquet"), glob=False).head(LIVE_ROWS)
    numbers = scored.select(pl.col(build.serving().answer.columns).cast(pl.Float64))
    return json_rows(scored, build.contract()), numbers.to_numpy()


class RolledBack(Result):
    """Which build serves again, instead of which; the same once more exchanges them again."""

    champion: str
    replaced: str
    undone: str = Field("", description="When this build was itself left by a rollback, if that was the last change.")


def roll_back(workload: Workload, home: Home, settings: Settings, *, reason: str, dry_run: bool = False) -> RolledBack:
    """Make the previous champion serve again; BuildError if there is none or it is damaged.

    RolloutMovedError if who serves was changed meanwhile: what was to be left may serve no longer.
    """
    before = rollout_of(home.store, workload.name)
    after = rolled_back(before, reason)
    assert after.champion
    assert before.champion
    open_champion(after, home, settings)
    check_registered(workload.name, after.champion, home=home, settings=settings)
    if not dry_run:
        try:
            with unmoved(home.store, before) as write:
                _put_in_place(write, after, workload, home, settings)
        except RolloutMovedError as moved:
            raise RolloutMovedError(
                f"{workload.name} is not rolled back: {moved}. Nothing was changed; see 'slipway status "
                f"{workload.given}' and roll back again if that is still wanted"
            ) from None
    last = before.history[-1]
    undone = last.at if last.action == "rollback" else ""
    return RolledBack(champion=after.champion, replaced=before.champion, undone=undone)


def agree_with_registry(workload: str, home: Home, settings: Settings) -> list[str]:
    """Point the registry's alias at the build that serves, if it names another one; return what was mended."""
    with alone(home.store, workload):
        champion = rollout_of(home.store, workload).champion
        if champion is None:
            return []
        named = aliased_build(workload, CHAMPION, home=home, settings=settings)
        if named == champion:
            return []
        set_champion(workload, champion, home=home, settings=settings)
    return [f"the registry named {named or 'nothing'} as champion of {workload}: it names {champion} now"]


def champion_of(workload: Workload, home: Home, settings: Settings) -> Build:
    """Open the build that serves; BuildError if nothing was ever promoted."""
    rollout = rollout_of(home.store, workload.name)
    if rollout.champion is None:
        raise BuildError(
            f"{workload.name} has no champion yet: run 'slipway run {workload.given}', or 'slipway promote "
            f"{workload.given}' if there is a build"
        )
    return open_champion(rollout, home, settings)
