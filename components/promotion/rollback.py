"""Take a promotion back: the previous champion serves again."""

from pydantic import Field

from components.artefacts.rollout import rolled_back
from components.declaration.workload import Workload
from components.promotion.agreement import put_in_place
from components.promotion.rollouts import RolloutMovedError, open_champion, rollout_of, unmoved
from components.registry.versions import (
    check_registered,
)
from components.result import Result
from components.settings import Home, Settings


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
                put_in_place(write, after, workload, home, settings)
        except RolloutMovedError as moved:
            raise RolloutMovedError(
                f"{workload.name} is not rolled back: {moved}. Nothing was changed; see 'slipway status "
                f"{workload.given}' and roll back again if that is still wanted"
            ) from None
    last = before.history[-1]
    undone = last.at if last.action == "rollback" else ""
    return RolledBack(champion=after.champion, replaced=before.champion, undone=undone)
