"""The interface as OpenAPI 3.1, made from the contract in the build: types, bounds, units and living examples."""

from collections.abc import Mapping
from typing import Any

import msgspec

from deployments.data_plane.documents.openapi_schemas import example_row, refer, schemas_of
from deployments.data_plane.formats import model_metadata, open_inference
from deployments.data_plane.formats.answers import Answers
from deployments.data_plane.formats.content import CODINGS
from deployments.data_plane.formats.request import InvalidRow
from deployments.data_plane.model import Model
from deployments.data_plane.tables.content_types import ARROW, EXAMPLES, PARQUET

_ERRORS = {
    "400": "The body is not what its content type says.",
    "404": "This build holds nothing that it could be explained by.",
    "406": "The answer cannot be had in any format that the client takes.",
    "408": "The body did not come in time.",
    "413": "Too many bytes or rows.",
    "415": "The body is of a type, or compressed in a way, that this path does not take.",
    "422": "A row breaks the contract: row, field and reason.",
    "429": "This client asked too often; try again after Retry-After seconds.",
    "503": "The queue is full; try again after Retry-After seconds.",
    "504": "The deadline passed before the row was answered.",
}
_ALWAYS = ("400", "408", "413", "415", "422", "429", "503", "504")
_LATER = ("429", "503")
NAMES = ("x-build", "x-request-id")


def describe(model: Model) -> dict[str, Any]:
    """Return the OpenAPI document of a service that answers with this build."""
    serving = model.serving
    example = example_row(model.contract)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": serving.workload,
            "version": model.build_id,
            "description": model.contract.description,
        },
        "paths": {
            "/v1/predict": {"post": _predict_operation(model, example)},
            "/v1/score": {"post": _score_operation(model, example)},
            **{path: {"get": _example_operation(path, kind)} for path, kind in EXAMPLES.items()},
            "/v1/explain": {"post": _explain_operation(model, example)},
            **_protocol_paths(model, example),
            "/livez": {"get": _plain("The process answers.", "live")},
            "/readyz": {"get": _plain("The build is loaded, warm and proven; 503 while draining.", "ready", "503")},
            "/metrics": {"get": _plain("Counts for Prometheus.", "metrics", kind="text/plain")},
            "/openapi.json": {"get": _plain("This document.", "openapi")},
            "/docs": {"get": _plain("A page for people, with a form.", "docs", kind="text/html")},
        },
        "components": {
            "schemas": schemas_of(model, example),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
        },
    }


_PARAMETERS: dict[str, Any] = {
    "RequestId": {
        "name": "x-request-id",
        "in": "header",
        "required": False,
        "description": "Comes back in the answer if it is of this form; one is made otherwise.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    },
    "Timeout": {
        "name": "x-request-timeout-ms",
        "in": "header",
        "required": False,
        "description": "Answered with 504 if it waits longer; the service's own deadline is the most.",
        "schema": {"type": "number", "minimum": 0},
    },
    "Coding": {
        "name": "content-encoding",
        "in": "header",
        "required": False,
        "description": "How the body is compressed; the limit of its bytes is asked before and after.",
        "schema": {"enum": [*CODINGS, "identity"]},
    },
}
_JSON_LENGTH: dict[str, Any] = {
    "name": open_inference.JSON_LENGTH,
    "in": "header",
    "required": False,
    "description": "How many bytes of the body are JSON; binary tensors follow.",
    "schema": {"type": "integer", "minimum": 1},
}
_HEADERS: dict[str, Any] = {
    "x-build": {"description": "The build that would have answered.", "schema": {"type": "string"}},
    "x-request-id": {"description": "What the request is called.", "schema": {"type": "string"}},
    "retry-after": {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}},
}


def _asking(operation: str, summary: str, body: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "requestBody": {"required": True, "content": body},
        "responses": answers,
    }


def _answer(description: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"200": {"description": description, "content": content}}


def _errors(*more: str, schema: str = "Error") -> dict[str, Any]:
    content = {"application/json": {"schema": refer(schema)}}
    return {
        status: {
            "description": _ERRORS[status],
            "headers": {
                name: {"$ref": f"#/components/headers/{name}"}
                for name in (*NAMES, *(["retry-after"] if status in _LATER else []))
            },
            "content": content,
        }
        for status in sorted((*_ALWAYS, *more))
    }


def _json(schema: str, **examples: Any) -> dict[str, Any]:
    named = {name.replace("_", " "): {"value": value} for name, value in examples.items() if value is not None}
    return {"application/json": {"schema": refer(schema)} | ({"examples": named} if named else {})}


def _predict_operation(model: Model, example: dict[str, Any]) -> dict[str, Any]:
    answers = _example_answers(model, example)
    body = None if answers is None else msgspec.json.decode(Answers(model).encode(answers, "example-1"))
    return _asking(
        "predict",
        "Answer one row or a list of rows.",
        _json("Rows", one_row=example, two_rows=[example, example]) | {kind: {} for kind in model.body_types[1:]},
        _answer("One prediction a row, in order.", _json("Answer", one_row=body)) | _errors(),
    )


def _score_operation(model: Model, example: dict[str, Any]) -> dict[str, Any]:
    names = ", ".join(output.name for output in model.serving.answer.outputs)
    body: dict[str, Any] = {kind: {} for kind in EXAMPLES.values()}
    if _example_answers(model, example) is not None:
        for path, kind in EXAMPLES.items():
            body[kind] = {"examples": {"one row": {"summary": "A table of one row.", "externalValue": path}}}
    told = f"The columns {names}, a row each; build and request id in the schema's metadata. Accept chooses the format."
    answers = _answer(told, {kind: {} for kind in (ARROW, PARQUET)}) | _errors("406")
    return _asking("score", f"Answer a table: a column a field in, the columns {names} out, row by row.", body, answers)


def _example_operation(path: str, kind: str) -> dict[str, Any]:
    return _plain("A table of one row, as /v1/score takes it.", path.rpartition(".")[2] + "Example", kind=kind)


def _explain_operation(model: Model, example: dict[str, Any]) -> dict[str, Any]:
    told = "The answer to each row, less what it is with a field as it usually is, by field."
    return _asking(
        "explain",
        f"By how much each field moves the answer; a row costs {len(model.contract.inputs) + 1} answers.",
        _json("Rows", one_row=example),
        _answer(told, _json("Explanations")) | _errors("404"),
    )


def _protocol_paths(model: Model, example: dict[str, Any]) -> dict[str, Any]:
    """Return the paths of the Open Inference Protocol, version 2."""
    path = f"/v2/models/{model.serving.workload}"
    names = ", ".join(output.name for output in model.serving.answer.outputs)
    answers = _example_answers(model, example)
    asked = {"id": "example-1", "inputs": open_inference.tensors_of_row(example, model)}
    told = None
    if answers is not None:
        known = open_inference.check_outputs(model, [])
        outputs = open_inference.outputs_of(model, answers, known)
        told = msgspec.json.decode(open_inference.encode(model, outputs, "example-1")[0])
    binary: dict[str, Any] = {"application/octet-stream": {}}
    infer = _asking(
        "infer",
        "Answer tensors, one a field, all of shape [rows] or [rows, 1]; null, NaN or an empty text for missing.",
        _json("InferRequest", one_row=asked) | binary,
        _answer(f"The tensors {names}.", _json("InferResponse", one_row=told) | binary) | _errors(schema="InferError"),
    )
    infer["parameters"].append(_JSON_LENGTH)
    metadata = _plain("Inputs and outputs of the model.", "metadata")
    metadata["responses"]["200"]["content"] = _json("ModelMetadata", model=model_metadata.metadata(model))
    return {
        "/v2": {"get": _plain("Name and extensions of the server.", "server")},
        "/v2/health/live": {"get": _plain("The process answers.", "serverLive")},
        "/v2/health/ready": {"get": _plain("As /readyz.", "serverReady", "503")},
        "/v2/repository/index": {"post": _plain("The models that are served: one.", "repositoryIndex")},
        path: {"get": metadata},
        f"{path}/config": {"get": _plain("The model as Triton's configuration describes one.", "configuration")},
        f"{path}/ready": {"get": _plain("As /readyz, for this model.", "modelReady", "503")},
        f"{path}/infer": {"post": infer},
    }


def _example_answers(model: Model, example: dict[str, Any]) -> list[Any] | None:
    """Return what is answered to the example, None if the contract refuses it (a required field without an example)."""
    try:
        rows = model.decoder.check([example])
    except InvalidRow:
        return None
    answers: list[Any] = model.serving.answer.rounded(model.predictor.predict(model.predictor.tensors(rows))).tolist()
    return answers


def _plain(summary: str, operation: str, *statuses: str, kind: str = "application/json") -> dict[str, Any]:
    responses = {"200": {"description": "Yes.", "content": {kind: {}}}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": responses | {status: {"description": "No."} for status in statuses},
    }
