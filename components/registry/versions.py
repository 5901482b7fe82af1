"""Which builds there are, with what evidence, and which is challenger or champion: MLflow's registry.

This room is the door to MLflow: its client, the registered model, the run, and the versions here.
"""

import contextlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import Field

from components.artefacts.build import Build
from components.artefacts.errors import BuildError
from components.registry.client import only_one, open_client, tracking_uri
from components.registry.model import log_model
from components.registry.run import (
    child_of_candidate,
    child_of_trial,
    flattened,
    log_children,
    log_datasets,
    log_values,
)
from components.result import Result
from components.settings import Home, Settings
from components.store.reference import Reference
from components.training.results import TrainingRecord, Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER, CHAMPION = "challenger", "champion"
# The keys of the workload file that decide what a model is.
PARAMETERS = ("kind", "contract", "seed", "split", "features", "model")
# MLflow's columns for descriptions are that long.
DESCRIPTION = 5_000


class Registered(Result):
    """A build's place in the registry."""

    digest: str
    workload: str
    build_id: str
    stored: Reference = Field(alias="build")
    version: int
    run_id: str
    tracking_uri: str
    gates_passed: bool
    files: str = Field(description="Where the registry keeps the build's files: a page of its server, or a folder.")

    @property
    def build(self) -> Path:
        return self.stored.local()


@dataclass(frozen=True)
class RunFacts:
    """What is logged of a build beside its files; ``metric`` is what its candidates and trials were compared by."""

    gates_passed: bool
    metrics: Mapping[str, float]
    parameters: Mapping[str, Any]
    metric: str
    tags: Mapping[str, str]
    trials: Sequence[Trial] = ()


def register_build(build: Build, facts: RunFacts, home: Home, settings: Settings) -> Registered:
    """Log a build as a run with its files, register it as a model version, and make it the challenger.

    Each candidate and each trial of a search becomes a child of that run. A build whose gates did not pass is
    registered, so that it can be looked at, but never becomes the challenger. Doing it again for the same build changes
    nothing; the same build judged again is a version more.
    """
    workload = build.manifest.workload
    provenance = msgspec.json.decode(build.read("provenance.json"))
    with open_client(home, settings) as client, only_one(home, "registering"):
        version = _version_of(client, workload, build.build_id, build.seal)
        if version is None:
            known = {"build_id": build.build_id, "seal": build.seal}
            told = {**facts.tags, **known, "gates": "passed" if facts.gates_passed else "failed"}
            version = _log(client, build, home, provenance, facts.metrics, facts.parameters, told)
        training = TrainingRecord.model_validate(provenance["training"])
        children = [child_of_candidate(one, training, facts.metric) for one in training.candidates]
        log_children(client, version.run_id, [*children, *map(child_of_trial, facts.trials)])
        files = _files_of(client, version.run_id)
        if facts.gates_passed:
            client.set_registered_model_alias(workload, CHALLENGER, str(version.version))
    return Registered(
        digest=build.build_id,
        workload=workload,
        build_id=build.build_id,
        stored=home.reference("builds", build.path.name),
        version=int(version.version),
        run_id=version.run_id,
        tracking_uri=tracking_uri(home, settings),
        gates_passed=facts.gates_passed,
        files=files,
    )


def _files_of(client: "MlflowClient", run_id: str) -> str:
    info = client.get_run(run_id).info
    if client.tracking_uri.startswith("http"):
        page = f"{client.tracking_uri.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{run_id}"
        return f"{page}/artifacts/build"
    return f"{info.artifact_uri}/build"


def _log(
    client: "MlflowClient",
    build: Build,
    home: Home,
    provenance: Mapping[str, Any],
    metrics: Mapping[str, float],
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Any:
    import mlflow
    from mlflow.entities import Metric
    from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

    workload, card = build.manifest.workload, build.read("card.md").decode()
    place = None if client.tracking_uri.startswith("http") else home.room("registry", "artifacts").as_uri()
    if client.get_experiment_by_name(workload) is None:
        with _made_meanwhile():
            client.create_experiment(workload, artifact_location=place)
    mlflow.set_experiment(workload)
    commit = provenance["code"]["commit"]
    noted = {MLFLOW_GIT_COMMIT: commit} if commit else {}
    with mlflow.start_run(run_name=build.build_id, tags={**tags, **noted}, description=card[:DESCRIPTION]) as run:
        run_id = run.info.run_id
        log_values(client, run_id, flattened(parameters))
        log_datasets(client, run_id, build, home, provenance)
        with tempfile.TemporaryDirectory(prefix="slipway-registry-") as scratch:
            # As it was checked, whatever becomes of the folder meanwhile.
            folder = Path(scratch, build.build_id)
            build.write_to(folder)
            client.log_artifacts(run_id, str(folder), "build")
            info = log_model(build, folder, run_id)
        now = int(time.time() * 1000)
        measured = [Metric(name, value, now, 0, model_id=info.model_id) for name, value in metrics.items()]
        log_values(client, run_id, {}, measured)
    # Through the client: the fluent way of registering prints to the terminal.
    if not client.search_registered_models(f"name = '{workload}'"):
        with _made_meanwhile():
            client.create_registered_model(workload, description=tags["goal"][:DESCRIPTION])
    return client.create_model_version(
        workload,
        source=info.model_uri,
        run_id=run_id,
        tags={name: tags[name] for name in ("build_id", "seal", "gates")},
        description=card[:DESCRIPTION],
        model_id=info.model_id,
    )


@contextlib.contextmanager
def _made_meanwhile() -> Any:
    """Take it as done if another machine, which shares the server, has made the same thing since it was looked for."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version_of(client: "MlflowClient", workload: str, build_id: str, seal: str = "") -> Any:
    """Return the latest version of a build, with a seal that of this sealing; None if there is none."""
    sealed = f" and tags.seal = '{seal}'" if seal else ""
    found = client.search_model_versions(f"name = '{workload}' and tags.build_id = '{build_id}'{sealed}")
    return max(found, key=lambda version: int(version.version), default=None)


def check_registered(workload: str, build_id: str, *, home: Home, settings: Settings) -> None:
    """Raise BuildError if a build was never registered, before anything is changed that would name it."""
    with open_client(home, settings) as client:
        _registered(client, workload, build_id)


def set_champion(workload: str, build_id: str, *, home: Home, settings: Settings) -> None:
    """Point the alias ``champion`` at a build's version; BuildError if it was never registered."""
    with open_client(home, settings) as client:
        version = _registered(client, workload, build_id)
        client.set_registered_model_alias(workload, CHAMPION, str(version.version))


def _registered(client: "MlflowClient", workload: str, build_id: str) -> Any:
    version = _version_of(client, workload, build_id)
    if version is None:
        raise BuildError(f"build {build_id} is not in the registry ({client.tracking_uri}): build it again")
    return version


def latest_refused(workload: str, *, home: Home, settings: Settings) -> str | None:
    """Return the id of the latest build if its gates refused it, or None."""
    with open_client(home, settings) as client:
        found = client.search_model_versions(f"name = '{workload}'")
    latest = max(found, key=lambda version: int(version.version), default=None)
    return str(latest.tags["build_id"]) if latest and latest.tags["gates"] == "failed" else None


def aliased_build(workload: str, alias: str, *, home: Home, settings: Settings) -> str | None:
    """Return the id of the build that an alias points to, or None."""
    from mlflow.exceptions import MlflowException

    with open_client(home, settings) as client:
        try:
            version = client.get_model_version_by_alias(workload, alias)
        except MlflowException:
            return None
        return str(version.tags["build_id"])
