"""The Open Inference Protocol over gRPC: the same answers, status codes for the same mistakes."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from data_contracts.description.types.registry import value_type
from deployments.data_plane.grpc_api import open_inference_pb2 as messages
from tests.deployments.processes import Running, servers, wait_until
from tests.deployments.small_build import Sample

CONTENTS = {"BYTES": "bytes_contents", "INT64": "int64_contents", "FP64": "fp64_contents"}


@pytest.fixture(scope="module")
def running(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with servers(tmp_path_factory.mktemp("grpc")) as start:
        yield start("--build", build, "--grpc-port", "0")


@pytest.fixture(scope="module")
def channel(running: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(running.grpc) as channel:
        yield channel


def call(channel: grpc.Channel, method: str, request: Any, **options: Any) -> Any:
    reply = getattr(messages, f"{method}Response")
    stub = channel.unary_unary(
        f"/inference.GRPCInferenceService/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reply.FromString,
    )
    return stub(
        request,
        timeout=options.get("timeout", 10),
        metadata=options.get("metadata"),
        compression=options.get("compression"),
    )


def infer(sample: Sample, count: int, raw: bool = False, **given: Any) -> Any:
    """Return a request; whole numbers that may be missing go as doubles, with NaN for missing."""
    request = messages.ModelInferRequest(**({"model_name": "flights", "id": "mine"} | given))
    rows = sample.rows(count)
    for field in sample.contract.inputs:
        values = [row[field.name] for row in rows]
        datatype = "FP64" if field.nullable and field.dtype == "integer" else value_type(field.dtype).datatype
        tensor = request.inputs.add(name=field.name, datatype=datatype, shape=[count])
        encoded = [(value or "").encode() for value in values] if datatype == "BYTES" else values
        if datatype == "FP64":
            encoded = [float("nan") if value is None else value for value in values]
        if not raw:
            getattr(tensor.contents, CONTENTS[datatype]).extend(encoded)
        elif datatype == "BYTES":
            request.raw_input_contents.append(b"".join(struct.pack("<I", len(text)) + text for text in encoded))
        else:
            kind = "<i8" if datatype == "INT64" else "<f8"
            request.raw_input_contents.append(np.array(encoded, dtype=kind).tobytes())
    return request


@pytest.mark.parametrize("raw", [False, True])
def test_grpc_answers_as_http_does(running: Running, channel: grpc.Channel, sample: Sample, raw: bool) -> None:
    reply = call(channel, "ModelInfer", infer(sample, 40, raw))
    assert (reply.id, reply.model_name, reply.model_version) == ("mine", "flights", running.build)
    expected = running.post(sample.rows(40)).json()["predictions"]
    probability, late = reply.outputs
    probabilities, lates = probability.contents.fp64_contents, late.contents.bool_contents
    if raw:
        # Whoever sends raw contents reads them: Triton's client knows no others.
        assert [len(probabilities), len(lates)] == [0, 0]
        probabilities, lates = (
            np.frombuffer(content, dtype)
            for content, dtype in zip(reply.raw_output_contents, ("<f8", "?"), strict=True)
        )
    else:
        assert not reply.raw_output_contents
    assert list(probabilities) == pytest.approx([row["probability"] for row in expected])
    assert list(lates) == [row["late"] for row in expected]


def test_only_the_outputs_that_were_asked_for_are_returned(
    running: Running, channel: grpc.Channel, sample: Sample
) -> None:
    late = messages.ModelInferRequest.InferRequestedOutputTensor(name="late")
    reply = call(channel, "ModelInfer", infer(sample, 3, outputs=[late], id="späte Flüge"))
    assert (reply.id, [output.name for output in reply.outputs]) == ("späte Flüge", ["late"])
    unknown = messages.ModelInferRequest.InferRequestedOutputTensor(name="risk")
    error = refused(channel, infer(sample, 3, outputs=[late, unknown]))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "'risk'; there are probability, late" in error.details()
    assert refused(channel, infer(sample, 3, id="x" * 129)).code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_and_metadata(running: Running, channel: grpc.Channel, sample: Sample) -> None:
    assert call(channel, "ServerLive", messages.ServerLiveRequest()).live
    assert call(channel, "ServerReady", messages.ServerReadyRequest()).ready
    assert call(channel, "ModelReady", messages.ModelReadyRequest(name="flights")).ready
    assert call(channel, "ServerMetadata", messages.ServerMetadataRequest()).name == "slipway"
    metadata = call(channel, "ModelMetadata", messages.ModelMetadataRequest(name="flights"))
    assert list(metadata.versions) == [running.build]
    assert [tensor.name for tensor in metadata.inputs] == [field.name for field in sample.contract.inputs]
    config = call(channel, "ModelConfig", messages.ModelConfigRequest(name="flights", version=running.build)).config
    assert [tensor.name for tensor in config.output] == ["probability", "late"]
    assert {tensor.data_type for tensor in config.output} == {messages.TYPE_FP64, messages.TYPE_BOOL}
    (listed,) = call(channel, "RepositoryIndex", messages.RepositoryIndexRequest()).models
    assert (listed.name, listed.version, listed.state) == ("flights", running.build, "READY")


def test_what_is_sent_typed_is_answered_raw_if_asked_for(
    running: Running, channel: grpc.Channel, sample: Sample
) -> None:
    request = infer(sample, 3)
    request.parameters["binary_data_output"].bool_param = True
    assert len(call(channel, "ModelInfer", request).raw_output_contents) == 2


def test_a_compressed_message_is_bounded_by_what_it_unpacks_to(channel: grpc.Channel, sample: Sample) -> None:
    request = infer(sample, 2, id="x" * 600_000)
    error = refused(channel, request, compression=grpc.Compression.Gzip)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def refused(channel: grpc.Channel, request: Any, **options: Any) -> Any:
    with pytest.raises(grpc.RpcError) as error:
        call(channel, "ModelInfer", request, **options)
    return error.value


def test_mistakes_have_their_status(running: Running, channel: grpc.Channel, sample: Sample) -> None:
    code = grpc.StatusCode
    assert refused(channel, infer(sample, 2, model_name="taxis")).code() is code.NOT_FOUND
    assert refused(channel, infer(sample, 2, model_version="old")).code() is code.NOT_FOUND
    bad = infer(sample, 2)
    bad.inputs[5].contents.fp64_contents[1] = -1
    error = refused(channel, bad)
    assert error.code() is code.INVALID_ARGUMENT
    assert "field distance: row 1" in error.details()
    assert dict(error.trailing_metadata()) | {"x-build": running.build, "x-request-id": "mine"} == dict(
        error.trailing_metadata()
    )
    unknown = infer(sample, 2)
    unknown.inputs[0].datatype = "TEXT"
    assert refused(channel, unknown).code() is code.INVALID_ARGUMENT
    cut = infer(sample, 2, raw=True)
    cut.raw_input_contents[0] = cut.raw_input_contents[0][:-1]
    assert "end within a string" in refused(channel, cut).details()
    assert 'path="grpc:ModelInfer"' in running.client.get("/metrics").text


def test_a_client_has_one_rate_over_both_and_is_known_by_its_header(
    serve: Callable[..., Running], build: Path, sample: Sample
) -> None:
    running = serve("--build", build, "--grpc-port", "0", "--rate-limit", "0.01", "--client-header", "X-Client")
    (row,) = sample.rows(1)
    with grpc.insecure_channel(running.grpc) as channel:
        call(channel, "ModelInfer", infer(sample, 1), metadata=[("x-client", "a")])
        error = refused(channel, infer(sample, 1), metadata=[("x-client", "a")])
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "client a may ask" in error.details()
        assert int(dict(error.trailing_metadata())["retry-after"]) >= 1
        assert running.post(row, headers={"x-client": "a"}).status_code == 429
        # Without the header it is the address, and that too is the same over HTTP.
        call(channel, "ModelInfer", infer(sample, 1))
        assert running.post(row).status_code == 429


def test_calls_stand_in_the_access_log_under_their_ids(
    serve: Callable[..., Running], build: Path, sample: Sample
) -> None:
    running = serve("--build", build, "--grpc-port", "0", "--access-log", "1")
    with grpc.insecure_channel(running.grpc) as channel:
        call(channel, "ModelInfer", infer(sample, 1))
        call(channel, "ModelInfer", infer(sample, 1, id=""), metadata=[("x-request-id", "headed")])
        refused(channel, infer(sample, 1, model_name="taxis", id="wrong"))
    wait_until(lambda: running.log.read_text().count('"event":"request"') == 3)
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert [(line["request_id"], line["status"]) for line in lines] == [("mine", 200), ("headed", 200), ("wrong", 404)]
    assert {line["path"] for line in lines} == {"/inference.GRPCInferenceService/ModelInfer"}
    assert {(line["method"], line["client"], line["build"]) for line in lines} == {("gRPC", "127.0.0.1", running.build)}
    assert lines[0]["bytes"] > 0


def test_a_stop_ends_grpc_too(serve: Callable[..., Running], build: Path) -> None:
    assert serve("--build", build, "--grpc-port", "0").stop() == 0
