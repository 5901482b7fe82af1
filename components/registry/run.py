"""What stands in MLflow's run of a build: parameters, metrics, the data it was made of, a run for each candidate."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from components.artefacts.build import Build
from components.registry.names import safe_name
from components.settings import Home
from components.training.results import CandidateRecord, Epoch, TrainingRecord, Trial
from data_contracts.language.model_signature import dataset_columns

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

# What MLflow takes at once.
PARAMETERS, METRICS = 100, 1_000
CONTEXTS = {"train": "training", "validation": "validation", "test": "testing", "monitor": "monitoring"}


def flattened(document: Mapping[str, Any]) -> dict[str, str]:
    """Return a document as parameters: a name for each value, with the names above it and dots between."""
    found: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{below}": text for below, text in flattened(value).items()}
        else:
            found[str(name)] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return found


def log_values(
    client: "MlflowClient", run: str, parameters: Mapping[str, str], metrics: Sequence["Metric"] = ()
) -> None:
    """Log parameters and metrics, whatever their number and their names."""
    from mlflow.entities import Metric, Param

    # Half a pair of a surrogate is no text of a database's.
    texts = {name: value.encode(errors="backslashreplace").decode() for name, value in parameters.items()}
    params = [Param(safe_name(name), text) for name, text in texts.items()]
    named = [
        Metric(safe_name(one.key), one.value, one.timestamp, one.step, model_id=one.model_id, run_id=run)
        for one in metrics
    ]
    for start in range(0, len(params), PARAMETERS):
        client.log_batch(run, params=params[start : start + PARAMETERS])
    for start in range(0, len(named), METRICS):
        client.log_batch(run, metrics=named[start : start + METRICS])


def log_datasets(client: "MlflowClient", run: str, build: Build, home: Home, provenance: Mapping[str, Any]) -> None:
    """Log each split as an input of the run: the data version, where it lies, its columns and its rows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = provenance["data"]
    source = {"uri": home.store.where("snapshots", data["snapshot"], "rows.parquet")}
    columns = {"mlflow_colspec": dataset_columns(build.contract())}
    inputs = [
        DatasetInput(
            Dataset(
                name=f"{build.manifest.workload} {split}",
                # MLflow's column holds 36 letters.
                digest=data["snapshot"][:36],
                source_type="local",
                source=_json(source),
                schema=_json(columns),
                profile=_json(facts),
            ),
            [InputTag("mlflow.data.context", CONTEXTS.get(split, split))],
        )
        for split, facts in data["splits"].items()
    ]
    client.log_inputs(run, inputs)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A run below the build's: a candidate, or a trial of a search."""

    # The tag that says what it is, and its value.
    tag: str
    name: str
    title: str
    began: int
    ended: int
    failed: bool
    tags: dict[str, str]
    parameters: dict[str, str]
    # Name, value, milliseconds since 1970, step.
    metrics: list[tuple[str, float, int, int]]


def child_of_candidate(one: CandidateRecord, training: TrainingRecord, metric: str) -> Child:
    """Return the run of a candidate: its score on validation and, epoch by epoch, what it came to."""
    ended = int(time.time() * 1000)
    began = ended - round(one.seconds * 1000)
    chosen = one.name == training.chosen
    return Child(
        tag="candidate",
        name=one.name,
        title=f"candidate {one.name}",
        began=began,
        ended=ended,
        failed=False,
        tags={"chosen": str(chosen).lower()},
        parameters={"candidate": one.name, "model_digest": one.digest},
        metrics=[
            (f"validation_{metric}", one.score, ended, 0),
            ("seconds", one.seconds, ended, 0),
            *_curve(one.curve, began),
        ],
    )


def _curve(curve: Sequence[Epoch], began: int) -> Iterable[tuple[str, float, int, int]]:
    for step, epoch in enumerate(curve, 1):
        for name in ("training_loss", "validation_loss", "score"):
            yield name, getattr(epoch, name), began + step, step


def child_of_trial(trial: Trial) -> Child:
    """Return the run of a trial: its options, and its score after each validation."""
    began = int(trial.started.timestamp() * 1000) if trial.started else int(time.time() * 1000)
    ended = began + round(trial.seconds * 1000)
    best = [] if trial.score is None else [("best_score", trial.score, ended, 0)]
    return Child(
        tag="trial",
        name=str(trial.number),
        title=f"trial {trial.number}: {trial.state}",
        began=began,
        ended=ended,
        failed=trial.state == "failed",
        tags={"state": trial.state},
        parameters={name: str(value) for name, value in trial.options.items()},
        metrics=[
            *(("score", score, began, step) for step, score in enumerate(trial.scores, 1)),
            ("seconds", trial.seconds, ended, 0),
            *best,
        ],
    )


def log_children(client: "MlflowClient", parent: str, children: Iterable[Child]) -> None:
    """Log each as a child of a run; one that is there already is left alone, one half logged is finished."""
    from mlflow.entities import Metric
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'", max_results=50_000)
    known: dict[tuple[str, str], Any] = {
        (tag, run.data.tags[tag]): run.info for run in found for tag in ("candidate", "trial") if tag in run.data.tags
    }
    for one in children:
        info = known.get((one.tag, one.name))
        if info is not None and info.status != "RUNNING":
            continue
        if info is None:
            tags = {MLFLOW_PARENT_RUN_ID: parent, one.tag: one.name, **one.tags}
            info = client.create_run(experiment, one.began, tags, one.title).info
        metrics = [Metric(name, value, moment, step) for name, value, moment, step in one.metrics]
        log_values(client, info.run_id, one.parameters, metrics)
        client.set_terminated(info.run_id, "FAILED" if one.failed else "FINISHED", one.ended)
