"""Who serves, written where a service reads it and where the registry says it: both within one lock, so both agree."""

from collections.abc import Callable

from components.artefacts.errors import HostError
from components.artefacts.rollout import Rollout
from components.declaration.workload import Workload
from components.promotion.rollouts import alone, rollout_of
from components.registry.versions import (
    CHAMPION,
    aliased_build,
    set_champion,
)
from components.settings import Home, Settings


def put_in_place(
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
