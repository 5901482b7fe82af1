"""Look at a finished build as the machine that is to serve it would: is it whole, signed, and answering as judged."""

from pathlib import Path
from typing import Any

import yaml

from components.builds.build import Build, open_build
from components.builds.live_check import LiveCheck, check_live
from components.builds.parity_ladder import Ladder, climb
from components.builds.stage_budget import StageBudget, measure_stages
from components.declaration import known_workloads, read_workload
from components.delivery.promotion import challenger_of, champion_of, held_out
from components.delivery.rollout import read_rollout, rollout_path
from components.reproduction.rebuild import find_build
from components.settings import Home, Settings


def build_of(target: str, home: Home, settings: Settings) -> Build:
    """Open what a person means: a build id, its first characters, a build's folder, or a workload's build.

    Of a workload it is the champion, before the first promotion the challenger. BuildError says what is known.
    """
    if not (target.endswith((".yaml", ".yml")) or target in known_workloads()):
        return find_build(target, home)
    workload = read_workload(target)
    if read_rollout(rollout_path(home.room("rollouts"), workload.name), workload.name).champion is not None:
        return champion_of(workload, home)
    return challenger_of(workload, None, home, settings)


def workload_document(build: Build) -> dict[str, Any]:
    """Return the workload file that a build was made with, unparsed."""
    document: dict[str, Any] = yaml.safe_load((build.path / "workload.yaml").read_bytes())
    return document


def inspect(build: Build, settings: Settings, key: Path) -> tuple[Ladder, LiveCheck | None]:
    """Check digests and signature, climb the parity ladder and serve the build; no live check if a rung is broken.

    Raises BuildError for a build that was changed or not signed by the owner of the public ``key``, ServingError if it
    cannot be served.
    """
    open_build(build.path, key)
    ladder = climb(build)
    if ladder.broken:
        return ladder, None
    rows, evaluated = held_out(build)
    live, answers = check_live(build, rows, evaluated, settings.price_per_hour, key)
    return ladder.stepped("live", answers), live


def profile(build: Build, settings: Settings, requests: int) -> StageBudget:
    """Measure where the time of a request to this build goes, on this machine, now."""
    rows, evaluated = held_out(build)
    live, _ = check_live(build, rows, evaluated, settings.price_per_hour, key=None)
    return measure_stages(build, live, requests=requests)
