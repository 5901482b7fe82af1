"""Promote: serve the challenger, look at it as a client does, and make it the champion."""

from pathlib import Path

from components.artefacts.build import Build
from components.declaration.workload import Workload
from components.promotion.promote import Promotion, promote_challenger
from components.promotion.record import PromotionRecord
from components.settings import Home, Settings
from tasks.pages import table, text, verdicts
from tasks.stage import show, stage


def page(record: PromotionRecord, written: Path) -> str:
    """Return what a build was judged by as Markdown: facts, verdicts, what is gained over the champion."""
    live = record.live
    facts: dict[str, object] = {
        "build": f"{record.build_id}: {record.outcome}",
        "champion before": record.champion or "none",
        "accepted by name": ", ".join(record.accepted) or "nothing",
        "live answers against evaluated ones": f"{live.rows} rows, largest difference {live.max_difference:.1e}",
        "latency p95": f"{live.latency_p95_ms:.2f} ms",
        "kept as": written,
    }
    return "\n\n".join([verdicts(record.gates), table(facts), *_gains(record)])


def _gains(record: PromotionRecord) -> list[str]:
    """Return what is gained over the champion, the whole first, as a Markdown table; nothing without a champion."""
    if not record.gains:
        return []
    first = record.gains[0]
    lines = [
        f"| {text(gain.slice or 'the whole')} | {gain.n or ''} | {gain.value:+.4f} "
        f"| {gain.low:+.4f} to {gain.high:+.4f} |"
        for gain in record.gains
    ]
    head = [
        f"| gain in {first.unit} over {text(first.detail)} | rows | gain | 95 % interval |",
        "| --- | --- | --- | --- |",
    ]
    return ["\n".join([*head, *lines])]


def _lines(promoted: Promotion) -> list[str]:
    if promoted.dry_run:
        return [f"{promoted.build_id} would become the champion: a dry run, nothing is changed"]
    return [f"{promoted.build_id} is the champion" + (f", instead of {promoted.replaced}" if promoted.replaced else "")]


@stage("promote", cached=False, lines=_lines)
def promote(
    workload: Workload,
    build: Build,
    home: Home,
    settings: Settings,
    accept: tuple[str, ...] = (),
    dry_run: bool = False,
) -> Promotion:
    """Judge the build live and write the rollout document; what it was judged by is shown, also of a refusal."""

    def shown(record: PromotionRecord, written: Path) -> None:
        show("promote", page(record, written))

    return promote_challenger(workload, build, home, settings, accept=accept, dry_run=dry_run, show=shown)
