"""A build as a model of MLflow: loads in any process that has MLflow, and answers data frames as the service does.

What is packed with it: the build as it was sealed, and the modules that answer (``deployments.mlflow_model``).
"""

import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

from components.artefacts.build import Build
from components.artefacts.inference import MODEL, inference_of
from components.builds.serving_sources import copy_package
from data_contracts.language.model_signature import output_column, signature_inputs

LOADER = "deployments.mlflow_model"
# What that module imports, directly or not, beside what the kind needs, and MLflow, which brings pandas.
PACKAGES = ("cryptography", "mlflow", "msgspec", "numpy", "pandas")
EXAMPLE_ROWS = 5


class _Flavours:
    """A build under both of its names: a python_function, and the plain graph for ``mlflow.onnx``."""

    def __init__(self, graph: str) -> None:
        self._graph = graph

    def save_model(self, path: str, mlflow_model: Any, **options: Any) -> None:
        import mlflow.pyfunc

        # Read by who calls this, and not taken by what is called.
        options.pop("validate_serving_input", None)
        mlflow_model.add_flavor(
            "onnx",
            onnx_version=importlib.metadata.version("onnx"),
            data=f"data/{Path(options['data_path']).name}/{self._graph}",
            providers=["CPUExecutionProvider"],
        )
        mlflow.pyfunc.save_model(path=path, mlflow_model=mlflow_model, **options)


def log_model(build: Build, folder: Path, run: str) -> Any:
    """Log a build, whose files lie in ``folder``, as a model of a run and return what MLflow knows of it."""
    import pandas as pd
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="slipway-model-") as scratch:
        package = copy_package(Path(scratch), build.manifest.kind, build.public_key)
        return Model.log(
            artifact_path=None,
            name="model",
            flavor=_Flavours(build.manifest.graphs[MODEL]),
            flavor_name="python_function",
            run_id=run,
            loader_module=f"{package}.{LOADER}",
            data_path=str(folder),
            code_paths=[str(Path(scratch, package))],
            signature=_signature(build),
            input_example=pd.DataFrame(build.golden().rows[:EXAMPLE_ROWS]),
            # Asked of a server of its own by the tests; here it would load the build once more.
            validate_serving_input=False,
            pip_requirements=[
                f"{name}=={importlib.metadata.version(name)}"
                for name in (*PACKAGES, *inference_of(build.manifest.kind).packages)
            ],
            model_config={"answer": "everything"},
            metadata={"build_id": build.build_id, "kind": build.manifest.kind},
        )


def _signature(build: Build) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

    inputs = Schema.from_json(json.dumps(signature_inputs(build.contract())))
    outputs = [output_column(one.name, one.dtype) for one in build.serving().answer.outputs]
    return ModelSignature(inputs=inputs, outputs=Schema.from_json(json.dumps(outputs)))
