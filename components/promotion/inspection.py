"""Look at a finished build as the machine that is to serve it would: is it whole, signed, and answering as judged."""

from components.artefacts.build import Build
from components.builds.live_check import LiveCheck, check_live
from components.builds.parity_ladder import Ladder, climb
from components.builds.signing import public_key_path
from components.builds.stage_budget import StageBudget, measure_stages
from components.declaration.loading import known_workloads, read_workload
from components.promotion.judging import held_out
from components.promotion.roles import challenger_of, champion_of
from components.promotion.rollouts import rollout_of
from components.reproduction.rebuild import find_build
from components.settings import Home, Settings


def build_of(target: str, home: Home, settings: Settings) -> Build:
    """Open what a person means: a build id, its first characters, a build's folder, or a workload's build.

    Of a workload it is the champion, before the first promotion the challenger. BuildError says what is known.
    """
    if not (target.endswith((".yaml", ".yml")) or target in known_workloads()):
        return find_build(target, home, public_key_path(settings.key()))
    workload = read_workload(target)
    if rollout_of(home.store, workload.name).champion is not None:
        return champion_of(workload, home, settings)
    return challenger_of(workload, None, home, settings)


def inspect(build: Build, settings: Settings) -> tuple[Ladder, LiveCheck | None]:
    """Climb the parity ladder of a build and serve it; no live check if a rung is broken.

    Raises BuildError for a build that was changed since it was opened, ServingError if it cannot be served.
    """
    ladder = climb(build)
    if ladder.broken:
        return ladder, None
    rows, evaluated = held_out(build)
    live, answers = check_live(build, rows, evaluated, settings.price_per_hour)
    return ladder.stepped("live", answers), live


def profile(build: Build, settings: Settings, requests: int) -> StageBudget:
    """Measure where the time of a request to this build goes, on this machine, now."""
    rows, evaluated = held_out(build)
    live, _ = check_live(build, rows, evaluated, settings.price_per_hour)
    return measure_stages(build, live, requests=requests)
