"""The OpenAPI document is valid, tells of every path, and what it shows is what is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from data_contracts.description.spec import ContractSpec, FieldSpec
from deployments.data_plane.documents.openapi import describe
from deployments.data_plane.documents.openapi_schemas import field_schema
from deployments.data_plane.model import load_model
from deployments.data_plane.options import Options
from deployments.data_plane.service import Service
from deployments.data_plane.telemetry.metrics import Metrics
from tests.deployments.processes import Running
from tests.deployments.small_build import Sample, write_build

QUANTILES = {"target": "regression", "label": "air_time", "scale": 1.0, "buckets": [0.1, 0.5], "quantiles": [0.1]}


@pytest.fixture(scope="module")
def document(shared_server: Running) -> dict[str, Any]:
    told: dict[str, Any] = shared_server.client.get("/openapi.json").json()
    return told


def check(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Raise ValidationError unless a value is what a schema of the document says."""
    root = Resource(contents=document, specification=DRAFT202012)
    absolute = {"$ref": "document:" + schema["$ref"]} if "$ref" in schema else schema
    Draft202012Validator(absolute, registry=Registry().with_resource("document:", root)).validate(value)


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, media type and content of every body, asked and answered."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for kind, content in body.get("content", {}).items():
                    yield path, kind, content


def test_a_validator_of_the_specification_accepts_it(document: dict[str, Any], sample: Sample, tmp_path: Path) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.OpenAPIV31SpecValidator(document).validate()
    wide = load_model(write_build(sample, tmp_path / "wide", operator="Identity", answer=QUANTILES))
    validator.OpenAPIV31SpecValidator(describe(wide)).validate()


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    shown = [
        (example["value"], content["schema"])
        for _, _, content in contents(document)
        for example in content.get("examples", {}).values()
        if "value" in example
    ]
    assert len(shown) == 7
    for value, schema in shown:
        check(value, schema, document)


def test_it_tells_of_every_path_and_no_other(document: dict[str, Any], build: Path) -> None:
    service = Service(load_model(build), Options(), Metrics())
    routes = {path: method.lower() for path, (method, _) in service._routes.items()}
    assert {path: next(iter(methods)) for path, methods in document["paths"].items()} == routes


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain", "/v2/models/flights/infer"])
def test_what_it_shows_is_answered_as_it_shows(shared_server: Running, document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    answered = operation["responses"]["200"]["content"]["application/json"]
    for name, example in operation["requestBody"]["content"]["application/json"]["examples"].items():
        headers = {"x-request-id": "example-1", "x-request-timeout-ms": "60000"}
        reply = shared_server.client.post(path, json=example["value"], headers=headers)
        assert reply.status_code == 200
        check(reply.json(), answered["schema"], document)
        if name in answered.get("examples", {}):
            assert reply.json() == answered["examples"][name]["value"]


def test_the_tables_it_points_at_can_be_sent(shared_server: Running, document: dict[str, Any]) -> None:
    client = shared_server.client
    body = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]
    answers = []
    for kind, content in body.items():
        example = client.get(content["examples"]["one row"]["externalValue"])
        assert (example.status_code, example.headers["content-type"]) == (200, kind)
        reply = client.post("/v1/score", content=example.content, headers={"content-type": kind, "x-request-id": "x"})
        assert reply.status_code == 200
        answers.append(reply.content)
    assert answers[0] == answers[1]
    assert set(document["paths"]["/v1/score"]["post"]["responses"]["200"]["content"]) == set(body)


def test_refusals_are_what_it_says(shared_server: Running, document: dict[str, Any]) -> None:
    def refused(path: str, **sent: Any) -> None:
        reply: httpx.Response = shared_server.client.post(path, **sent)
        told = document["paths"][path]["post"]["responses"][str(reply.status_code)]
        assert set(told["headers"]) <= set(reply.headers)
        check(reply.json(), told["content"]["application/json"]["schema"], document)

    refused("/v1/predict", content="no json", headers={"content-type": "application/json"})
    refused("/v1/predict", content="{}", headers={"content-type": "text/plain"})
    refused("/v1/predict", json={"colour": 1})
    refused("/v1/score", json={})
    refused("/v1/score", content=b"x", headers={"content-type": "application/vnd.apache.parquet", "accept": "text/csv"})
    refused("/v1/explain", json={}, headers={"x-request-timeout-ms": "0"})
    refused("/v2/models/flights/infer", json={"inputs": []})


def test_large_values_are_described_with_their_limits(build: Path) -> None:
    fields = (
        FieldSpec(name="photo", dtype="bytes", description="", media_type="image/*", max_bytes=4, example="QUI="),
        FieldSpec(name="letter", dtype="text", description="", media_type="text/plain", max_length=3, nullable=True),
        FieldSpec(name="place", dtype="vector", description="", min_length=2, max_length=2, example=(0.5, 1.0)),
    )
    photo, letter, place = map(field_schema, fields)
    assert (photo["contentEncoding"], photo["contentMediaType"]) == ("base64", "image/*")
    assert (letter["type"], letter["contentMediaType"]) == (["string", "null"], "text/plain")
    for schema, good, bad in ((photo, "QUJDRA==", "QUJDREVGRw=="), (letter, "abc", "abcd"), (place, [1, 2], [1, 2, 3])):
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(good)
        assert not Draft202012Validator(schema).is_valid(bad)
    label = load_model(build).contract.label
    every = ContractSpec(name="Every", description="", fields=(*fields, label))
    described = msgspec.json.decode(
        msgspec.json.encode(describe(msgspec.structs.replace(load_model(build), contract=every)))
    )
    row = described["components"]["schemas"]["Row"]
    Draft202012Validator(row).validate(row["examples"][0])
