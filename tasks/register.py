"""Register: the build and its evidence in MLflow; the challenger, if its gates passed."""

from components.builds.build import open_build
from components.builds.packaging import PackagedBuild
from components.declaration import Workload
from components.delivery.registry import PARAMETERS, Registered, register_build
from components.judgement.evidence import Evaluated, read_evidence
from components.settings import Home, Settings
from components.training.results import Trained, read_trials
from tasks.stage import stage, table


def _artifact(registered: Registered) -> str:
    names = ("dossier.html", "evidence.json", "gates.json", "card.md")
    links = [f"- [{name}]({registered.files}/{name})" for name in names]
    rows = table(registered.model_dump(mode="json", exclude={"digest"}))
    return "\n".join([rows, "", "In the registry:", *links, "", f"The same files: `{registered.build}`"])


@stage("register", cached=False, artifact=_artifact)
def register(
    workload: Workload,
    build: PackagedBuild,
    trained: Trained,
    evaluated: Evaluated,
    gates_passed: bool,
    home: Home,
    settings: Settings,
) -> Registered:
    """Make the build known; a build that is known already is left as it is."""
    evidence = read_evidence(evaluated.evidence)
    metrics = {measure.name: measure.value for measure in evidence.measures if measure.slice is None}
    return register_build(
        open_build(build.path),
        home=home,
        settings=settings,
        gates_passed=gates_passed,
        metrics=metrics,
        parameters=workload.model_dump(mode="json", include=set(PARAMETERS)),
        metric=workload.goal.metric,
        tags={"workload": workload.name, "goal": workload.goal.statement},
        trials=read_trials(trained.search) if trained.search else (),
    )
