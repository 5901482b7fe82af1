"""What a person does with MLflow and pandas, and nothing else: run as a program in a process of its own.

``python -I mlflow_user.py REGISTRY SERVICE SCORING`` prints one JSON document. What Slipway is made of cannot be
imported here.
"""

import importlib.abc
import json
import sys
import urllib.request
import warnings

OURS = {"components", "data_contracts", "deployments", "flows", "tasks", "benchmarks"}


class Absent(importlib.abc.MetaPathFinder):
    """Finds nothing of Slipway."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OURS:
            raise ModuleNotFoundError(f"{name} is not here")


sys.meta_path.insert(0, Absent())
warnings.simplefilter("ignore")

import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # noqa: E402

registry, service, scoring = sys.argv[1:]
mlflow.set_tracking_uri(registry)
CHAMPION = "models:/shop@champion"
CITIES = ["Oslo", "Rome", "Paris", "Köln"] * 10
ROWS = [
    {
        "at": f"2024-11-{1 + n % 28:02d}T{n % 24:02d}:30:15.250000",
        "amount": n * 7.25,
        "pieces": n,
        "city": CITIES[n],
        "kind": "abc"[n % 3],
        "flag": n % 2 == 0,
    }
    for n in range(40)
]


def post(url, body):
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def of_service(rows):
    return [one["probability"] for one in post(f"{service}/v1/predict", rows)["predictions"]]


def apart(answers, rows):
    """Return the largest difference between a model's answers and the service's, and if the decisions are its own."""
    told = post(f"{service}/v1/predict", rows)["predictions"]
    return [
        float(np.abs(answers["probability"].to_numpy() - [one["probability"] for one in told]).max()),
        answers["returned"].tolist() == [one["returned"] for one in told],
    ]


def with_gaps(**columns):
    """Return the rows with None in every third place of some columns, or other values."""
    return [
        {**row, **{name: None if n % 3 == 0 else change(row[name]) for name, change in columns.items()}}
        for n, row in enumerate(ROWS)
    ]


def frames():
    """Return frames as people have them, each with the rows that it means."""
    typed = pd.DataFrame(ROWS).assign(at=lambda frame: pd.to_datetime(frame["at"]))
    same = {"amount": lambda value: value, "pieces": lambda value: value, "flag": lambda value: value}
    gaps = with_gaps(**same)
    whole = [{**row, "amount": float(row["pieces"])} for row in ROWS]
    missing = [{**row, "amount": None, "pieces": None, "flag": None} for row in ROWS]
    return {
        "typed": (typed, ROWS),
        "as JSON": (pd.DataFrame(ROWS), ROWS),
        "gaps as NaN and None": (pd.DataFrame(gaps).assign(at=typed["at"]), gaps),
        "gaps as NA": (pd.DataFrame(gaps).convert_dtypes().assign(at=typed["at"]), gaps),
        "whole numbers": (typed.assign(amount=typed["pieces"]), whole),
        "small types": (
            typed.assign(
                pieces=typed["pieces"].astype("int8"),
                city=typed["city"].astype("category").astype(object),
                at=typed["at"].astype("datetime64[s]").astype(object),
            ),
            [{**row, "at": row["at"].partition(".")[0]} for row in ROWS],
        ),
        "all missing": (typed.assign(amount=np.nan, pieces=None, flag=None), missing),
        "left out": (typed[["city", "at", "kind"]], missing),
        "another index": (typed.set_index(typed.index * 2 + 5), ROWS),
    }


def refusal(model, **changes):
    try:
        model.predict(pd.DataFrame([{**ROWS[0], **changes}]))
    except Exception as error:
        return str(error)
    return "answered"


model = mlflow.pyfunc.load_model(CHAMPION)
said = {"frames": {name: apart(model.predict(frame), rows) for name, (frame, rows) in frames().items()}}
said["index"] = model.predict(frames()["another index"][0]).index.tolist()[:2]
said["none"] = model.predict(frames()["typed"][0].head(0)).shape
said["example"] = apart(model.predict(model.input_example), json.loads(model.input_example.to_json(orient="records")))
said["refused"] = [
    refusal(model, pieces=2.5),
    refusal(model, pieces=-1),
    refusal(model, kind="d"),
    refusal(model, city=1),
]
said["schema"] = str(model.metadata.get_input_schema())
said["graph"] = [one.name for one in mlflow.onnx.load_model(CHAMPION).graph.input]

client = ScoringServerClient("127.0.0.1", int(scoring.rpartition(":")[2]))
frame, rows = frames()["typed"]
said["scoring client"] = apart(client.invoke(frame).get_predictions(), rows)
records = post(f"{scoring}/invocations", {"dataframe_records": with_gaps(amount=lambda value: value)})
said["records"] = apart(pd.DataFrame(records["predictions"]), with_gaps(amount=lambda value: value))

labelled = frame.assign(returned=[n % 3 == 0 for n in range(len(frame))])
with mlflow.start_run():
    judged = mlflow.models.evaluate(
        CHAMPION, labelled, targets="returned", model_type="classifier", model_config={"answer": "returned"}
    )
said["evaluated"] = judged.metrics

version = mlflow.MlflowClient().get_model_version_by_alias("shop", "champion")
run = mlflow.get_run(version.run_id)
said["version"] = {"description": version.description, "params": run.data.params, "tags": run.data.tags}
said["metrics"] = run.data.metrics
said["inputs"] = [
    [one.dataset.name, one.dataset.digest, json.loads(one.dataset.profile), one.tags[0].value]
    for one in run.inputs.dataset_inputs
]
said["lies at"] = mlflow.data.get_source(run.inputs.dataset_inputs[0].dataset).load()
children = mlflow.search_runs(
    [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{version.run_id}'", output_format="list"
)
said["children"] = {
    one.data.tags["candidate"]: {
        "metrics": one.data.metrics,
        "curve": [point.step for point in mlflow.MlflowClient().get_metric_history(one.info.run_id, "validation_loss")],
    }
    for one in children
}
said["ours"] = sorted(OURS & {name.partition(".")[0] for name in sys.modules})
sys.stdout.write(json.dumps(said, default=str))
