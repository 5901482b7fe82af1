"""Promote: serve the challenger, look at it as a client does, and make it the champion."""

from components.builds.build import Build
from components.declaration import Workload
from components.delivery.promotion import Promotion, promote_challenger
from components.settings import Home, Settings
from tasks.stage import stage, table


def _artifact(promotion: Promotion) -> str:
    live = promotion.live
    return table(
        {
            "champion": promotion.build_id,
            "replaced": promotion.replaced or "nothing",
            "live answers against evaluated ones": f"{live.rows} rows, largest difference {live.max_difference:.1e}",
            "latency p95": f"{live.latency_p95_ms:.2f} ms",
        }
    )


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
