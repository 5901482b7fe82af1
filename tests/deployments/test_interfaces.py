"""The same rows give the same answers through every interface, and the same mistakes are refused."""

import io
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.description.types.registry import value_type
from deployments.data_plane.tables.content_types import ARROW, PARQUET
from tests.deployments.processes import Running, wait_until
from tests.deployments.small_build import Sample

CLIENT = Path(__file__).parents[2] / "deployments" / "clients" / "OpenInferenceClient.java"


def table(sample: Sample, count: int = 300) -> pa.Table:
    return sample.frame.select([field.name for field in sample.contract.inputs]).head(count).to_arrow()


def arrow(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows, max_chunksize=128)
    return sink.getvalue()


def parquet(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    return sink.getvalue()


def score(running: Running, body: bytes, content_type: str = ARROW, accept: str = "*/*") -> Any:
    headers = {"content-type": content_type, "accept": accept, "x-request-id": "bulk"}
    return running.client.post("/v1/score", content=body, headers=headers)


def tensors(sample: Sample, count: int) -> dict[str, Any]:
    rows = sample.rows(count)
    inputs = [
        {
            "name": field.name,
            "datatype": value_type(field.dtype).datatype,
            "shape": [count],
            "data": [row[field.name] for row in rows],
        }
        for field in sample.contract.inputs
    ]
    return {"id": "mine", "inputs": inputs}


@pytest.mark.parametrize(("content_type", "write"), [(ARROW, arrow), (PARQUET, parquet)])
def test_columns_are_answered_as_rows_are(
    shared_server: Running, sample: Sample, content_type: str, write: Callable[[pa.Table], bytes]
) -> None:
    reply = score(shared_server, write(table(sample)), content_type)
    assert (reply.status_code, reply.headers["content-type"]) == (200, ARROW)
    answers = pa.ipc.open_stream(reply.content).read_all()
    assert answers.schema.metadata == {b"build": shared_server.build.encode(), b"request_id": b"bulk"}
    expected = shared_server.post(sample.rows(300)).json()["predictions"]
    assert answers["probability"].to_pylist() == pytest.approx([row["probability"] for row in expected], abs=1e-6)
    assert answers["late"].to_pylist() == [row["late"] for row in expected]


@pytest.mark.parametrize(
    ("change", "field", "row", "reason"),
    [
        (pl.lit("XXX").alias("origin"), "origin", 0, "allowed values: EWR, JFK, LGA"),
        (
            pl.when(pl.arange(pl.len()) == 7).then(-1.0).otherwise("distance").alias("distance"),
            "distance",
            7,
            "-1 is not > 0",
        ),
        (
            pl.when(pl.arange(pl.len()) == 3).then(None).otherwise("distance").alias("distance"),
            "distance",
            3,
            "missing",
        ),
        (pl.lit(math.nan).alias("humidity"), "humidity", 0, "not finite"),
        (pl.lit("ab1").alias("destination"), "destination", 0, "does not match"),
        (pl.lit("UAL").alias("carrier"), "carrier", 0, "longer than 2"),
        (
            pl.when(pl.arange(pl.len()) == 5).then(pl.lit("UAL")).otherwise("carrier").alias("carrier"),
            "carrier",
            5,
            "longer than 2",
        ),
        (
            pl.when(pl.arange(pl.len()) == 4).then(None).otherwise("carrier").alias("carrier"),
            "carrier",
            4,
            "missing",
        ),
        (pl.col("distance").cast(pl.String), "distance", 0, "is not number"),
        (pl.col("scheduled_arrival").cast(pl.Float64), "scheduled_arrival", 0, "is not integer"),
        (pl.col("scheduled_departure").dt.replace_time_zone("UTC"), "scheduled_departure", 0, "is not datetime"),
        (pl.lit(True).alias("late"), "late", 0, "known only after the outcome"),
        (pl.lit(1).alias("colour"), "colour", 0, "unknown field"),
    ],
)
def test_columns_that_break_the_contract_are_refused(
    shared_server: Running, sample: Sample, change: pl.Expr, field: str, row: int, reason: str
) -> None:
    frame = sample.frame.select([field.name for field in sample.contract.inputs]).head(20).with_columns(change)
    reply = score(shared_server, arrow(frame.to_arrow()))
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert (error["field"], error["row"]) == (field, row)
    assert reason in error["reason"]


def test_tables_that_are_none_are_refused(shared_server: Running, sample: Sample) -> None:
    assert score(shared_server, b"nonsense").status_code == 400
    assert score(shared_server, b"nonsense", PARQUET).status_code == 400
    assert score(shared_server, b"{}", "application/json").status_code == 415
    assert score(shared_server, arrow(table(sample).slice(0, 0))).status_code == 422
    assert score(shared_server, arrow(table(sample).drop_columns(["carrier"]))).json()["error"]["field"] == "carrier"


@pytest.mark.parametrize("accept", [PARQUET, f"{PARQUET}, {ARROW};q=0.9", f"application/*;q=0.1, {PARQUET}"])
def test_a_table_is_answered_as_parquet_if_that_is_what_the_client_takes(
    shared_server: Running, sample: Sample, accept: str
) -> None:
    reply = score(shared_server, arrow(table(sample)), accept=accept)
    assert (reply.status_code, reply.headers["content-type"]) == (200, PARQUET)
    answers = pq.read_table(io.BytesIO(reply.content))
    assert answers.schema.metadata[b"request_id"] == b"bulk"
    assert answers.schema.metadata[b"build"] == shared_server.build.encode()
    expected = pa.ipc.open_stream(score(shared_server, arrow(table(sample))).content).read_all()
    assert answers.equals(expected)


def test_a_client_that_takes_neither_format_is_told(shared_server: Running, sample: Sample) -> None:
    reply = score(shared_server, arrow(table(sample)), accept="text/csv")
    assert (reply.status_code, reply.json()["error"]["kind"]) == (406, "not_acceptable")
    assert ARROW in reply.text
    assert PARQUET in reply.text


def test_a_table_has_a_limit_of_rows_of_its_own(serve: Callable[..., Running], build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--table-rows", "299")
    for write, content_type in ((arrow, ARROW), (parquet, PARQUET)):
        reply = score(running, write(table(sample, 300)), content_type)
        assert (reply.status_code, reply.json()["error"]["kind"]) == (413, "too_large")
        assert reply.json()["error"]["reason"].endswith("rows in one table; at most 299")
        assert score(running, write(table(sample, 299)), content_type).status_code == 200


def test_bulk_answers_are_logged_too(
    serve: Callable[..., Running], build: Path, sample: Sample, tmp_path: Path
) -> None:
    running = serve("--build", build, "--predictions", tmp_path / "log")
    assert score(running, parquet(table(sample)), PARQUET).status_code == 200
    metrics = running.client.get("/metrics").text
    assert "slipway_rows_total 300.0" in metrics
    running.stop()
    (part,) = (tmp_path / "log").glob("*/*.parquet")
    assert pl.read_parquet(part)["request_id"].unique().to_list() == ["bulk"]


def test_the_open_inference_protocol_answers_as_the_own_interface(shared_server: Running, sample: Sample) -> None:
    client = shared_server.client
    reply = client.post("/v2/models/flights/infer", json=tensors(sample, 50)).json()
    assert (reply["id"], reply["model_name"], reply["model_version"]) == ("mine", "flights", shared_server.build)
    probability, late = reply["outputs"]
    expected = shared_server.post(sample.rows(50)).json()["predictions"]
    assert (probability["datatype"], probability["shape"]) == ("FP64", [50])
    assert probability["data"] == pytest.approx([row["probability"] for row in expected])
    assert late["data"] == [row["late"] for row in expected]
    metadata = client.get("/v2/models/flights").json()
    assert [tensor["name"] for tensor in metadata["inputs"]] == [field.name for field in sample.contract.inputs]
    assert client.get("/v2/health/ready").status_code == 200
    ready = {"name": "flights", "ready": True, "build": shared_server.build}
    assert client.get("/v2/models/flights/ready").json() == ready
    assert client.get("/v2/models/taxis").json()["error"].startswith("no such path")
    assert client.post("/v2/models/flights").json()["error"].endswith("takes GET, not POST")


def test_only_the_outputs_that_were_asked_for_are_returned(shared_server: Running, sample: Sample) -> None:
    def infer(*names: str) -> Any:
        body = tensors(sample, 2) | {"outputs": [{"name": name} for name in names]}
        return shared_server.client.post("/v2/models/flights/infer", json=body)

    everything = infer().json()["outputs"]
    assert [output["name"] for output in everything] == ["probability", "late"]
    assert infer("late").json()["outputs"] == everything[1:]
    assert infer("late", "probability", "late").json()["outputs"] == everything[::-1]
    reply = infer("late", "risk")
    assert reply.status_code == 400
    assert "'risk'; there are probability, late" in reply.text


@pytest.mark.parametrize("name", ['a "quoted" name', "späte Flüge/1", "", "x" * 128])
def test_the_id_comes_back_as_it_was_given(shared_server: Running, sample: Sample, name: str) -> None:
    body = tensors(sample, 1) | {"id": name}
    assert shared_server.client.post("/v2/models/flights/infer", json=body).json()["id"] == name


def test_an_id_that_is_too_long_is_refused_and_without_one_the_header_counts(
    shared_server: Running, sample: Sample
) -> None:
    client, path = shared_server.client, "/v2/models/flights/infer"
    reply = client.post(path, json=tensors(sample, 1) | {"id": "x" * 129})
    assert (reply.status_code, "129 characters; at most 128" in reply.text) == (400, True)
    body = tensors(sample, 1) | {"id": None}
    assert client.post(path, json=body, headers={"x-request-id": "headed"}).json()["id"] == "headed"
    assert client.post(path, json=body).json()["id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"datatype": "BOOL"}, "scheduled_departure"),
        ({"shape": [3]}, "scheduled_departure"),
        ({"name": "colour"}, "colour"),
        ({"data": ["2013-01-01", "2013-01-02"]}, "scheduled_departure"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    shared_server: Running, sample: Sample, change: dict[str, Any], field: str
) -> None:
    body = tensors(sample, 2)
    body["inputs"][0] |= change
    reply = shared_server.client.post("/v2/models/flights/infer", json=body)
    assert reply.status_code == 422
    assert reply.json().keys() == {"error"}
    assert reply.json()["error"].startswith(f"field {field}: row ")


def test_a_field_without_a_tensor_and_a_body_without_inputs_are_refused(shared_server: Running, sample: Sample) -> None:
    body = tensors(sample, 2)
    del body["inputs"][2]
    reply = shared_server.client.post("/v2/models/flights/infer", json=body)
    assert (reply.status_code, reply.json()["error"]) == (422, "field carrier: row 0: missing; required")
    assert shared_server.client.post("/v2/models/flights/infer", json={}).status_code == 400
    assert shared_server.client.post("/v2/models/flights/infer", json={"inputs": []}).status_code == 422


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK here: javac is not on the path")
def test_a_java_client_gets_the_golden_answers(shared_server: Running, build: Path, tmp_path: Path) -> None:
    compiled = ["javac", "-Xlint:all", "-Werror", "-d", str(tmp_path), str(CLIENT)]
    assert not subprocess.run(compiled, capture_output=True, text=True, check=True, timeout=120).stderr
    run = [
        "java",
        "-cp",
        str(tmp_path),
        "OpenInferenceClient",
        shared_server.url,
        "flights",
        str(build / "golden.json"),
    ]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"build {shared_server.build}: 20 golden rows answered" in done.stdout


def test_the_server_stays_up_after_all_this(shared_server: Running) -> None:
    wait_until(lambda: shared_server.client.get("/readyz").status_code == 200)
