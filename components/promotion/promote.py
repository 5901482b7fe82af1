"""Make a build the champion: checked live first, written once, recorded in the ledger.

A judgement takes seconds to minutes, and a rollback may land meanwhile: what serves is looked at again before it is
changed, and the change is refused if it is not what the judgement began with.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from pydantic import Field

from components.artefacts.build import Build
from components.artefacts.errors import GateError, SlipwayError
from components.artefacts.rollout import Rollout, place_of, promoted, rollout_path
from components.builds.live_check import LiveCheck
from components.declaration.workload import Workload
from components.evaluation.evidence import Measure
from components.gates.judge import GateReport
from components.gates.policy import promotion_gate_names
from components.promotion.agreement import put_in_place
from components.promotion.judging import judge_live
from components.promotion.record import PromotionRecord, now, write_record
from components.promotion.rollouts import RolloutMovedError, rollout_of, unmoved
from components.registry.versions import (
    check_registered,
)
from components.result import Result
from components.settings import Home, Settings
from components.store.reference import Reference


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
    live, evidence, report = judge_live(workload, build, before, home, settings)
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
            put_in_place(write, after, workload, home, settings)
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
