"""The schemas of the OpenAPI document: rows from the contract, answers from their shape, the protocol's messages."""

from typing import Any

from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.formats.open_inference import ID_CHARACTERS
from deployments.data_plane.model import Model


def refer(name: str) -> dict[str, Any]:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def example_row(contract: ContractSpec) -> dict[str, Any]:
    """Return a row made of the fields' examples, null where a field has none."""
    return {field.name: field.example for field in contract.inputs}


def field_schema(field: FieldSpec) -> dict[str, Any]:
    """Return the JSON schema of a field."""
    schema = value_type(field.dtype).json_schema(field)
    limits = ""
    for word, end in zip(("before", "after"), field.moment_bounds(), strict=True):
        limits += "" if end is None else f", not {word} {end.isoformat()}"
    if field.allowed:
        schema["enum"] = list(field.allowed)
    if field.nullable:
        schema["type"] = [schema["type"], "null"]
        if field.allowed:
            schema["enum"].append(None)
    unit = f" ({field.unit})" if field.unit else ""
    schema["description"] = f"{field.description}{unit}{limits}"
    if field.example is not None:
        schema["examples"] = [field.example]
    return schema


def schemas_of(model: Model, example: dict[str, Any]) -> dict[str, Any]:
    """Return what the document refers to by name."""
    contract = model.contract
    row = {
        "type": "object",
        "description": contract.description,
        "properties": {field.name: field_schema(field) for field in contract.inputs},
        "required": [field.name for field in contract.inputs],
        "additionalProperties": False,
        "examples": [example],
    }
    prediction = model.serving.answer.schema(contract.label)
    answer = {
        "type": "object",
        "properties": {
            "build": {"type": "string", "examples": [model.build_id]},
            "request_id": {"type": "string"},
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
        },
        "required": ["build", "request_id", "predictions"],
    }
    error = {
        "type": "object",
        "properties": {
            "build": {"type": "string"},
            "request_id": {"type": "string"},
            "error": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string"},
                    "reason": {"type": "string"},
                    "field": {"type": ["string", "null"]},
                    "row": {"type": "integer", "minimum": 0},
                },
                "required": ["kind", "reason"],
            },
        },
        "required": ["error", "build", "request_id"],
    }
    refused = {
        "type": "object",
        "description": "As the Open Inference Protocol says it; build and request id are in the headers.",
        "properties": {"error": {"type": "string"}},
        "required": ["error"],
    }
    return {
        "Row": row,
        "Rows": {"oneOf": [refer("Row"), {"type": "array", "items": refer("Row"), "minItems": 1}]},
        "Prediction": prediction,
        "Answer": answer,
        "Explanations": _explanations(),
        "Error": error,
        "InferError": refused,
        **_protocol_schemas(),
    }


def _explanations() -> dict[str, Any]:
    numbers = {"type": "object", "additionalProperties": {"type": "number"}}
    one = {
        "type": "object",
        "properties": {
            "prediction": refer("Prediction"),
            "contributions": {"type": "object", "additionalProperties": numbers},
        },
        "required": ["prediction", "contributions"],
    }
    properties = {
        "build": {"type": "string"},
        "request_id": {"type": "string"},
        "method": {"const": "ablation"},
        "reference": {**refer("Row"), "description": "What fields are set to: the median or the most frequent value."},
        "answers_computed": {"type": "integer"},
        "seconds": {"type": "number"},
        "explanations": {"type": "array", "items": one},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _protocol_schemas() -> dict[str, Any]:
    """Return the messages of the Open Inference Protocol."""
    text: dict[str, Any] = {"type": "string"}
    sizes = {"type": "array", "items": {"type": "integer", "minimum": -1}}
    described = {"name": text, "datatype": text, "shape": sizes}
    tensor = {"type": "object", "properties": described, "required": list(described)}
    size = {"type": "integer", "minimum": 0, "description": "Bytes of this tensor behind the JSON, instead of data."}
    full = {
        "type": "object",
        "properties": {**described, "data": {"type": "array"}, "parameters": _parameters("binary_data_size", size)},
        "required": list(described),
    }
    tensors = {"type": "array", "items": refer("Tensor")}
    flag = {"type": "boolean", "description": "Return as bytes behind the JSON."}
    wanted = {
        "type": "object",
        "properties": {"name": text, "parameters": _parameters("binary_data", flag)},
        "required": ["name"],
    }
    answered = {"model_name": text, "model_version": text, "id": text, "outputs": tensors}
    metadata = {
        "name": text,
        "versions": {"type": "array", "items": text},
        "platform": text,
        "inputs": {"type": "array", "items": tensor},
        "outputs": {"type": "array", "items": tensor},
    }
    return {
        "Tensor": full,
        "InferRequest": {
            "type": "object",
            "properties": {
                "id": {"type": ["string", "null"], "maxLength": ID_CHARACTERS},
                "parameters": _parameters("binary_data_output", flag),
                "inputs": tensors,
                "outputs": {
                    "type": "array",
                    "items": wanted,
                    "description": "Which to return; all without it.",
                },
            },
            "required": ["inputs"],
        },
        "InferResponse": {"type": "object", "properties": answered, "required": list(answered)},
        "ModelMetadata": {"type": "object", "properties": metadata, "required": list(metadata)},
    }


def _parameters(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}}
