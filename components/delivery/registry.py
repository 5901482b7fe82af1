"""Which builds there are, with what evidence, and which is challenger or champion; the only door to MLflow."""

import contextlib
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from components.answer_shape import AnswerShape
from components.builds.build import Build
from components.errors import BuildError, HostError
from components.result import Result
from components.settings import Home, Settings
from components.training.results import Trial
from data_contracts.model_signature import signature_inputs
from data_contracts.spec import ContractSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER, CHAMPION = "challenger", "champion"


class Registered(Result):
    """A build's place in the registry."""

    digest: str
    workload: str
    build_id: str
    build: Path
    version: int
    run_id: str
    tracking_uri: str
    gates_passed: bool
    files: str = Field(description="Where the registry keeps the build's files: a page of its server, or a folder.")


def tracking_uri(home: Home, settings: Settings) -> str:
    """Return where MLflow keeps its records: the server of the settings, or a SQLite file in the home."""
    return settings.tracking_uri or f"sqlite:///{home.room('registry', 'mlflow.db')}"


def register_build(
    build: Build,
    *,
    home: Home,
    settings: Settings,
    gates_passed: bool,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    trials: Sequence[Trial] = (),
) -> Registered:
    """Log a build as a run with its files, register its graph as a model version, and make it the challenger.

    Each trial of a search becomes a child of that run. A build whose gates did not pass is registered, so that it can
    be looked at, but never becomes the challenger. Doing it again for the same build changes nothing; the same build
    judged again is a version more.
    """
    workload = build.manifest.workload
    with _client(home, settings) as client:
        version = _version_of(client, workload, build.build_id, build.seal)
        if version is None:
            version = _log(client, build, home, metrics, parameters, {**tags, "gates": _passed(gates_passed)})
        _log_trials(client, version.run_id, trials)
        files = _files_of(client, version.run_id)
        if gates_passed:
            client.set_registered_model_alias(workload, CHALLENGER, str(version.version))
    return Registered(
        digest=build.build_id,
        workload=workload,
        build_id=build.build_id,
        build=build.path,
        version=int(version.version),
        run_id=version.run_id,
        tracking_uri=tracking_uri(home, settings),
        gates_passed=gates_passed,
        files=files,
    )


def _files_of(client: "MlflowClient", run_id: str) -> str:
    info = client.get_run(run_id).info
    if client.tracking_uri.startswith("http"):
        page = f"{client.tracking_uri.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{run_id}"
        return f"{page}/artifacts/build"
    return f"{info.artifact_uri}/build"


def _passed(passed: bool) -> str:
    return "passed" if passed else "failed"


def _log(
    client: "MlflowClient",
    build: Build,
    home: Home,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> Any:
    import mlflow
    import mlflow.onnx
    import onnx

    workload = build.manifest.workload
    if client.get_experiment_by_name(workload) is None:
        place = None if client.tracking_uri.startswith("http") else home.room("registry", "artifacts").as_uri()
        client.create_experiment(workload, artifact_location=place)
    mlflow.set_experiment(workload)
    known = {"build_id": build.build_id, "seal": build.seal}
    with mlflow.start_run(run_name=build.build_id, tags=known | dict(tags)) as run:
        mlflow.log_params(dict(parameters))
        mlflow.log_metrics(dict(metrics))
        with tempfile.TemporaryDirectory(prefix="slipway-registry-") as scratch:
            # As it was checked, whatever becomes of the folder meanwhile.
            build.write_to(Path(scratch))
            mlflow.log_artifacts(scratch, "build")
        info = mlflow.onnx.log_model(
            onnx.load_model_from_string(build.read("model.onnx")),
            name="model",
            signature=_signature(build.contract(), build.serving().answer),
            pip_requirements=["onnxruntime"],
        )
    # Through the client: the fluent way of registering prints to the terminal.
    if not client.search_registered_models(f"name = '{workload}'"):
        client.create_registered_model(workload)
    return client.create_model_version(
        workload,
        source=info.model_uri,
        run_id=run.info.run_id,
        tags={**known, "gates": tags["gates"]},
        model_id=info.model_id,
    )


def _log_trials(client: "MlflowClient", parent: str, trials: Sequence[Trial]) -> None:
    """Log each trial as a child of a run; one that is there already is left alone, one half logged is finished."""
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    if not trials:
        return
    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'", max_results=50_000)
    known = {run.data.tags["trial"]: run.info for run in found}
    for trial in trials:
        info = known.get(str(trial.number))
        if info is not None and info.status != "RUNNING":
            continue
        began = int(trial.started.timestamp() * 1000) if trial.started else int(time.time() * 1000)
        if info is None:
            tags = {MLFLOW_PARENT_RUN_ID: parent, "trial": str(trial.number), "state": trial.state}
            info = client.create_run(experiment, began, tags, f"trial {trial.number}: {trial.state}").info
        ended = began + round(trial.seconds * 1000)
        metrics = [Metric("score", score, began, step) for step, score in enumerate(trial.scores, 1)]
        metrics.append(Metric("seconds", trial.seconds, ended, 0))
        if trial.score is not None:
            metrics.append(Metric("best_score", trial.score, ended, 0))
        options = [Param(name, str(value)) for name, value in trial.options.items()]
        client.log_batch(info.run_id, metrics, options)
        client.set_terminated(info.run_id, "FAILED" if trial.state == "failed" else "FINISHED", ended)


def _signature(contract: ContractSpec, shape: AnswerShape) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs = Schema.from_json(json.dumps(signature_inputs(contract)))
    outputs = Schema([TensorSpec(np.dtype(np.float32), (-1, len(shape.columns)), shape.tensor)])
    return ModelSignature(inputs=inputs, outputs=outputs)


def _version_of(client: "MlflowClient", workload: str, build_id: str, seal: str = "") -> Any:
    """Return the latest version of a build, with a seal that of this sealing; None if there is none."""
    sealed = f" and tags.seal = '{seal}'" if seal else ""
    found = client.search_model_versions(f"name = '{workload}' and tags.build_id = '{build_id}'{sealed}")
    return max(found, key=lambda version: int(version.version), default=None)


def check_registered(workload: str, build_id: str, *, home: Home, settings: Settings) -> None:
    """Raise BuildError if a build was never registered, before anything is changed that would name it."""
    with _client(home, settings) as client:
        _registered(client, workload, build_id)


def set_champion(workload: str, build_id: str, *, home: Home, settings: Settings) -> None:
    """Point the alias ``champion`` at a build's version; BuildError if it was never registered."""
    with _client(home, settings) as client:
        version = _registered(client, workload, build_id)
        client.set_registered_model_alias(workload, CHAMPION, str(version.version))


def _registered(client: "MlflowClient", workload: str, build_id: str) -> Any:
    version = _version_of(client, workload, build_id)
    if version is None:
        raise BuildError(f"build {build_id} is not in the registry ({client.tracking_uri}): build it again")
    return version


def aliased_build(workload: str, alias: str, *, home: Home, settings: Settings) -> str | None:
    """Return the id of the build that an alias points to, or None."""
    from mlflow.exceptions import MlflowException

    with _client(home, settings) as client:
        try:
            version = client.get_model_version_by_alias(workload, alias)
        except MlflowException:
            return None
        return str(version.tags["build_id"])


@contextlib.contextmanager
def _client(home: Home, settings: Settings) -> Iterator["MlflowClient"]:
    """Yield a client of the registry, with MLflow kept quiet and from phoning home."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    home.room("registry").mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.exceptions import MlflowException

        # Only now: importing MLflow sets its loggers up.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = tracking_uri(home, settings)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        try:
            yield mlflow.MlflowClient(uri, uri)
        except MlflowException as error:
            raise HostError(f"MLflow at {uri} refused: {' '.join(str(error).split())[:300]}") from error
