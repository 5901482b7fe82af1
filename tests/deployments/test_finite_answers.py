"""Whatever the interface, an answer is a finite number or a refusal that names the row."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deployments.processes import Running, servers
from tests.deployments.small_build import Sample, write_build
from tests.deployments.test_grpc import infer, refused
from tests.deployments.test_interfaces import ARROW, PARQUET, arrow, parquet, table, tensors

VALUES = {"target": "regression", "label": "air_time", "scale": 1.0, "buckets": [0.1, 0.5], "quantiles": [0.1]}
# A number that JSON and the contract know, and a graph of 32 bits does not.
LARGE = 1e45
BAD = 3


@pytest.fixture(scope="module")
def running(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    fields = [
        msgspec.structs.replace(field, le=None) if field.name == "distance" else field
        for field in sample.contract.fields
    ]
    unbounded = replace(sample, contract=msgspec.structs.replace(sample.contract, fields=tuple(fields)))
    build = write_build(unbounded, tmp_path_factory.mktemp("finite") / "build", operator="Identity", answer=VALUES)
    with servers(tmp_path_factory.mktemp("finite-server")) as start:
        yield start("--build", build, "--grpc-port", "0")


def rows(sample: Sample, count: int = 5) -> list[dict[str, Any]]:
    found = sample.rows(count)
    found[BAD]["distance"] = LARGE
    return found


def frames(sample: Sample, count: int = 5) -> Any:
    large = table(sample, count)
    distance = [LARGE if row == BAD else 100.0 for row in range(count)]
    return large.set_column(large.schema.get_field_index("distance"), "distance", [distance])


def test_json(running: Running, sample: Sample) -> None:
    # The second goes through the thread for large requests.
    for count in (5, 300):
        reply = running.post(rows(sample, count))
        assert (reply.status_code, reply.json()["error"]["kind"]) == (422, "no_answer")
        assert reply.json()["error"]["row"] == BAD
        assert "no finite answer" in reply.json()["error"]["reason"]
    assert running.post(sample.rows(5)).status_code == 200


@pytest.mark.parametrize(("kind", "write"), [(ARROW, arrow), (PARQUET, parquet)])
def test_tables(running: Running, sample: Sample, kind: str, write: Callable[[Any], bytes]) -> None:
    reply = running.client.post("/v1/score", content=write(frames(sample)), headers={"content-type": kind})
    assert (reply.status_code, reply.json()["error"]["kind"], reply.json()["error"]["row"]) == (422, "no_answer", BAD)


def test_tensors(running: Running, sample: Sample) -> None:
    asked = tensors(sample, 5)
    next(one for one in asked["inputs"] if one["name"] == "distance")["data"][BAD] = LARGE
    reply = running.client.post("/v2/models/flights/infer", json=asked)
    assert (reply.status_code, reply.json()["error"].partition(": ")[0]) == (422, f"row {BAD}")
    with grpc.insecure_channel(running.grpc) as channel:
        request = infer(sample, 5)
        next(one for one in request.inputs if one.name == "distance").contents.fp64_contents[BAD] = LARGE
        error = refused(channel, request)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith(f"row {BAD}: the model has no finite answer")


def test_explanations(running: Running, sample: Sample) -> None:
    reply = running.client.post("/v1/explain", json=rows(sample))
    assert (reply.status_code, reply.json()["error"]["row"]) == (422, BAD)


def test_the_sum_of_what_was_answered_stays_a_number(running: Running, sample: Sample) -> None:
    running.post(rows(sample))
    running.post(sample.rows(2))
    for family in text_string_to_metric_families(running.client.get("/metrics").text):
        for found in family.samples:
            assert found.value == found.value, found
            assert abs(found.value) != float("inf"), found
    assert json.dumps(running.post(sample.rows(1)).json(), allow_nan=False)
