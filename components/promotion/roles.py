"""The builds of a workload by their role: the challenger, which wants to serve, and the champion, which does."""

from components.artefacts.build import Build, open_build
from components.artefacts.errors import BuildError
from components.builds.kept_builds import folder_of_build
from components.builds.signing import public_key_path
from components.declaration.workload import Workload
from components.gates.judge import GateReport
from components.promotion.rollouts import open_champion, rollout_of
from components.registry.versions import (
    CHALLENGER,
    aliased_build,
    latest_refused,
)
from components.settings import Home, Settings


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


def champion_of(workload: Workload, home: Home, settings: Settings) -> Build:
    """Open the build that serves; BuildError if nothing was ever promoted."""
    rollout = rollout_of(home.store, workload.name)
    if rollout.champion is None:
        raise BuildError(
            f"{workload.name} has no champion yet: run 'slipway run {workload.given}', or 'slipway promote "
            f"{workload.given}' if there is a build"
        )
    return open_champion(rollout, home, settings)
