"""The interface as OpenAPI 3.1, made from the contract in the build: types, bounds, units and examples."""

from typing import Any

from data_contracts.spec import ContractSpec, FieldSpec
from deployments.data_plane.columnar import ARROW, PARQUET
from deployments.data_plane.model import Model

_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "datetime": {
        "type": "string",
        "pattern": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?$",
    },
    "date": {"type": "string", "format": "date"},
}
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def describe(model: Model) -> dict[str, Any]:
    """Return the OpenAPI document of a service that answers with this build."""
    contract, serving = model.contract, model.serving
    example = example_row(contract)
    names = ", ".join(output.name for output in serving.answer.outputs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": serving.workload,
            "version": model.build_id,
            "description": contract.description,
        },
        "paths": {
            "/v1/predict": {"post": _predict_operation(example)},
            "/v1/score": {"post": _score_operation(names)},
            "/v1/explain": {"post": _explain_operation(example, len(contract.inputs))},
            f"/v2/models/{serving.workload}/infer": {"post": _infer_operation(names)},
            f"/v2/models/{serving.workload}": {"get": _plain("Inputs and outputs of the model.", "metadata", "200")},
            "/livez": {"get": _plain("The process answers.", "live", "200")},
            "/readyz": {
                "get": _plain("The build is loaded, warm and proven; 503 while draining.", "ready", "200", "503")
            },
            "/metrics": {"get": _plain("Counts for Prometheus.", "metrics", "200")},
        },
        "components": {"schemas": _schemas(model, example)},
    }


def example_row(contract: ContractSpec) -> dict[str, Any]:
    """Return a row made of the fields' examples, null where a field has none."""
    return {field.name: field.example for field in contract.inputs}


def field_schema(field: FieldSpec) -> dict[str, Any]:
    """Return the JSON schema of a field."""
    schema = dict(_TYPES[field.dtype])
    if field.dtype == "datetime":
        schema["description"] = "Local date and time without an offset"
    for key, name in _BOUNDS.items():
        if (value := getattr(field, key)) is not None:
            schema[name] = value
    if field.allowed:
        schema["enum"] = list(field.allowed)
    if field.nullable:
        schema["type"] = [schema["type"], "null"]
        if field.allowed:
            schema["enum"].append(None)
    unit = f" ({field.unit})" if field.unit else ""
    schema["description"] = f"{field.description}{unit}"
    if field.example is not None:
        schema["examples"] = [field.example]
    return schema


def _schemas(model: Model, example: dict[str, Any]) -> dict[str, Any]:
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
    return {"Row": row, "Prediction": prediction, "Answer": answer, "Error": error, "InferError": refused}


_ERRORS = {
    "400": "The body is not what its content type says.",
    "413": "Too many bytes or rows.",
    "415": "The body is of a type that this path does not take.",
    "422": "A row breaks the contract: row, field and reason.",
    "429": "This client asked too often; try again after Retry-After seconds.",
    "503": "The queue is full; try again after Retry-After seconds.",
    "504": "The deadline passed before the row was answered.",
}


def _errors(*more: str, schema: str = "Error") -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    statuses = ("400", "413", "422", "429", "503", "504", *more)
    return {status: {"description": _ERRORS[status], "content": content} for status in statuses}


def _predict_operation(example: dict[str, Any]) -> dict[str, Any]:
    row = {"$ref": "#/components/schemas/Row"}
    return {
        "operationId": "predict",
        "summary": "Answer one row or a list of rows.",
        "parameters": [
            {
                "name": "x-request-id",
                "in": "header",
                "required": False,
                "description": "Comes back in the answer; one is made if there is none.",
                "schema": {"type": "string", "maxLength": 128},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [row, {"type": "array", "items": row, "minItems": 1}]},
                    "examples": {"one row": {"value": example}, "two rows": {"value": [example, example]}},
                }
            },
        },
        "responses": {
            "200": {
                "description": "One prediction a row, in order.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}},
            }
        }
        | _errors(),
    }


def _score_operation(names: str) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "contentMediaType": ARROW}}
    return {
        "operationId": "score",
        "summary": f"Answer a table: a column a field in, the columns {names} out, row by row.",
        "requestBody": {"required": True, "content": {ARROW: binary, PARQUET: binary}},
        "responses": {"200": {"description": "An Arrow stream.", "content": {ARROW: binary}}} | _errors("415"),
    }


def _explain_operation(example: dict[str, Any], fields: int) -> dict[str, Any]:
    row = {"$ref": "#/components/schemas/Row"}
    numbers = {"type": "object", "additionalProperties": {"type": "number"}}
    one = {
        "type": "object",
        "properties": {
            "prediction": {"$ref": "#/components/schemas/Prediction"},
            "contributions": {"type": "object", "additionalProperties": numbers},
        },
    }
    properties = {
        "build": {"type": "string"},
        "request_id": {"type": "string"},
        "method": {"const": "ablation"},
        "reference": {**row, "description": "What fields are set to: the median or the most frequent value."},
        "answers_computed": {"type": "integer"},
        "seconds": {"type": "number"},
        "explanations": {"type": "array", "items": one},
    }
    return {
        "operationId": "explain",
        "summary": f"By how much each field moves the answer; a row costs {fields + 1} answers.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [row, {"type": "array", "items": row, "minItems": 1}]},
                    "examples": {"one row": {"value": example}},
                }
            },
        },
        "responses": {
            "200": {
                "description": "The answer to each row, less what it is with a field as it usually is, by field.",
                "content": {"application/json": {"schema": {"type": "object", "properties": properties}}},
            }
        }
        | _errors(),
    }


def _infer_operation(names: str) -> dict[str, Any]:
    return {
        "operationId": "infer",
        "summary": "Open Inference Protocol v2: an input tensor a field, null for missing.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {"200": {"description": f"The tensors {names}."}} | _errors(schema="InferError"),
    }


def _plain(summary: str, operation: str, *statuses: str) -> dict[str, Any]:
    responses = {status: {"description": "Yes." if status == "200" else "No."} for status in statuses}
    return {"operationId": operation, "summary": summary, "responses": responses}
