"""Promote: serve the challenger, look at it as a client does, and make it the champion."""

from components.builds.build import Build
from components.declaration import Workload
from components.delivery.promotion import Promotion, promote_challenger
from components.settings import Home, Settings
from tasks.gate import verdicts
from tasks.stage import stage, table


def _artifact(promotion: Promotion) -> str:
    live = promotion.live
    facts: dict[str, object] = {
        "champion": promotion.build_id,
        "replaced": promotion.replaced or "nothing",
        "live answers against evaluated ones": f"{live.rows} rows, largest difference {live.max_difference:.1e}",
        "latency p95": f"{live.latency_p95_ms:.2f} ms",
        "what it was judged by": promotion.evidence,
    }
    return "\n\n".join([table(facts), verdicts(promotion.gates), *_gains(promotion)])


def _gains(promotion: Promotion) -> list[str]:
    """Return what is gained over the champion, the whole first, as a Markdown table; nothing without a champion."""
    if not promotion.gains:
        return []
    first = promotion.gains[0]
    lines = [
        f"| {gain.slice or 'the whole'} | {gain.n or ''} | {gain.value:+.4f} | {gain.low:+.4f} to {gain.high:+.4f} |"
        for gain in promotion.gains
    ]
    head = [f"| gain in {first.unit} over {first.detail} | rows | gain | 95 % interval |", "| --- | --- | --- | --- |"]
    return ["\n".join([*head, *lines])]


@stage("promote", cached=False, artifact=_artifact)
def promote(
    workload: Workload,
    build: Build,
    home: Home,
    settings: Settings,
    accept: tuple[str, ...] = (),
    dry_run: bool = False,
) -> Promotion:
    """Judge the build live and write the rollout document."""
    return promote_challenger(workload, build, home, settings, accept=accept, dry_run=dry_run)
