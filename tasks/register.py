"""Register: the build and its evidence in MLflow; the challenger, if its gates passed."""

from components.artefacts.build import open_build
from components.builds.packaging import PackagedBuild
from components.builds.signing import public_key_path
from components.declaration.workload import Workload
from components.evaluation.evidence import parse_evidence
from components.registry.versions import PARAMETERS, Registered, RunFacts, register_build
from components.settings import Home, Settings
from components.training.results import Trained, read_trials
from tasks.pages import link, table
from tasks.stage import stage


def _artifact(registered: Registered) -> str:
    state = "✓ Challenger" if registered.gates_passed else "✗ Registered, but refused by its gates: it is not promoted"
    names = ("dossier.html", "evidence.json", "gates.json", "card.md")
    links = [f"- {link(name, f'{registered.files}/{name}')}" for name in names]
    rows = table(
        {
            "build": registered.build_id,
            "version in the registry": registered.version,
            "registry": registered.tracking_uri,
            "its run": registered.run_id,
            "folder of the build": registered.stored,
        }
    )
    return "\n".join([f"## {state}", "", rows, "", "Its files in the registry:", "", *links])


@stage("register", cached=False, artifact=_artifact)
def register(
    workload: Workload,
    build: PackagedBuild,
    trained: Trained,
    gates_passed: bool,
    home: Home,
    settings: Settings,
) -> Registered:
    """Make the build known; a build that is known already is left as it is."""
    opened = open_build(build.path, public_key_path(settings.key()), build_id=build.build_id)
    evidence = parse_evidence(opened.read("evidence.json"), where=str(build.path))
    metrics = {measure.name: measure.value for measure in evidence.measures if measure.slice is None}
    facts = RunFacts(
        gates_passed=gates_passed,
        metrics=metrics,
        parameters=workload.model_dump(mode="json", include=set(PARAMETERS)),
        metric=workload.goal.metric,
        tags={"workload": workload.name, "goal": workload.goal.statement},
        trials=read_trials(trained.search) if trained.search else (),
    )
    return register_build(opened, facts, home, settings)
