"""What a client of the Open Inference Protocol may ask of the server and its model, over REST and gRPC.

The metadata are the protocol's own; the configuration and the index of the repository are extensions of Triton, whose
clients ask for them.
"""

from typing import Any

from data_contracts.description.types.registry import value_type
from deployments.data_plane.model import Model

PLATFORM = "onnxruntime_onnx"
SERVER: dict[str, Any] = {
    "name": "slipway",
    "version": "2",
    "extensions": ["binary_tensor_data", "model_configuration"],
}


def metadata(model: Model) -> dict[str, Any]:
    """Describe the model: its one version (the build), names, datatypes and shapes of inputs and outputs."""
    return {
        "name": model.serving.workload,
        "versions": [model.build_id],
        "platform": PLATFORM,
        "inputs": [
            {
                "name": field.name,
                "datatype": value_type(field.dtype).datatype,
                "shape": [-1, *value_type(field.dtype).shape(field)],
            }
            for field in model.contract.inputs
        ],
        "outputs": [
            {"name": output.name, "datatype": value_type(output.dtype).datatype, "shape": [-1]}
            for output in model.serving.answer.outputs
        ],
    }


def configuration(model: Model) -> dict[str, Any]:
    """Describe the model as Triton's configuration does; rows are the one dimension, so there is no batch beside it."""
    described = metadata(model)
    return {
        "name": model.serving.workload,
        "platform": PLATFORM,
        "max_batch_size": 0,
        "input": [_configured(tensor) for tensor in described["inputs"]],
        "output": [_configured(tensor) for tensor in described["outputs"]],
    }


def _configured(tensor: dict[str, Any]) -> dict[str, Any]:
    kind = "STRING" if tensor["datatype"] == "BYTES" else tensor["datatype"]
    return {"name": tensor["name"], "data_type": f"TYPE_{kind}", "dims": tensor["shape"]}


def repository_index(model: Model, draining: bool) -> list[dict[str, str]]:
    """Return the list of models: the one that is served."""
    state, reason = ("UNAVAILABLE", "draining") if draining else ("READY", "")
    return [{"name": model.serving.workload, "version": model.build_id, "state": state, "reason": reason}]
