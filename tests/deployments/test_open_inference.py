"""Binary tensors of the Open Inference Protocol over REST: what Triton's clients send by default, and what is none."""

import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.formats.open_inference import JSON_LENGTH, Tensor, decode, rows_of, tensors_of_row
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, RowDecoder, TooManyRows
from deployments.data_plane.formats.tensor_bytes import packed, unpacked
from deployments.data_plane.model import Model, load_model
from tests.deployments.processes import Running
from tests.deployments.small_build import Sample

PATH = "/v2/models/flights/infer"


def field(name: str, dtype: str, **more: Any) -> FieldSpec:
    return msgspec.convert({"name": name, "dtype": dtype, "description": ""} | more, FieldSpec)


EVERY_TYPE = (
    field("text", "string", nullable=True),
    field("whole", "integer", nullable=True),
    field("number", "number", nullable=True),
    field("flag", "boolean", nullable=True),
    field("moment", "datetime", nullable=True),
    field("day", "date", nullable=True),
    field("letter", "text", nullable=True, media_type="text/plain"),
    field("photo", "bytes", nullable=True, media_type="image/*", max_bytes=4),
    field("place", "vector", nullable=True, min_length=2, max_length=2),
    field("pulse", "vector", nullable=True, max_length=3),
)


@pytest.fixture(scope="module")
def model(build: Path) -> Model:
    """A model whose contract has a field of every type."""
    contract = ContractSpec(name="Every", description="", fields=EVERY_TYPE)
    return msgspec.structs.replace(load_model(build), contract=contract)


def body_of(sample: Sample, count: int, **given: Any) -> tuple[bytes, dict[str, str]]:
    """Return a request whose inputs are all bytes, as Triton's client sends it."""
    inputs, behind = [], []
    for one in sample.contract.inputs:
        values = [row[one.name] for row in sample.rows(count)]
        datatype = value_type(one.dtype).datatype
        if datatype == "INT64" and one.nullable:
            datatype, values = "FP64", [float("nan") if value is None else value for value in values]
        if datatype == "FP64":
            values = [float("nan") if value is None else value for value in values]
        behind.append(packed(datatype, ["" if value is None else value for value in values]))
        size = {"binary_data_size": len(behind[-1])}
        inputs.append({"name": one.name, "datatype": datatype, "shape": [count, 1], "parameters": size})
    head = json.dumps({"inputs": inputs} | given).encode()
    return b"".join([head, *behind]), {JSON_LENGTH: str(len(head))}


@pytest.mark.parametrize(
    ("given", "binary"),
    [
        ({"parameters": {"binary_data_output": True}}, ["probability", "late"]),
        ({"outputs": [{"name": "late", "parameters": {"binary_data": True}}, {"name": "probability"}]}, ["late"]),
        ({}, []),
    ],
)
def test_bytes_are_answered_as_json_is(
    shared_server: Running, sample: Sample, given: dict[str, Any], binary: list[str]
) -> None:
    expected = shared_server.post(sample.rows(30)).json()["predictions"]
    body, headers = body_of(sample, 30, **given)
    # Triton's client gives no content type.
    reply = shared_server.client.post(PATH, content=body, headers=headers)
    assert reply.status_code == 200, reply.text
    end = int(reply.headers[JSON_LENGTH]) if binary else len(reply.content)
    at, found = end, {}
    for output in json.loads(reply.content[:end])["outputs"]:
        if output["name"] in binary:
            size = output["parameters"]["binary_data_size"]
            found[output["name"]] = unpacked("", output["datatype"], reply.content[at : at + size], 30)
            at += size
        else:
            found[output["name"]] = output["data"]
    assert at == len(reply.content)
    assert found["probability"] == pytest.approx([row["probability"] for row in expected], abs=1e-8)
    assert found["late"] == [row["late"] for row in expected]


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        ("9" * 5_000, "is '9999"),
        ("0", "is '0'"),
        ("-3", "is '-3'"),
        ("²", "is '²'"),
        ("3", "not a request of the Open Inference Protocol"),
    ],
)
def test_a_length_that_is_none_is_refused(sample: Sample, length: str, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        decode(body_of(sample, 2)[0], length)


def test_bytes_that_do_not_add_up_are_refused(sample: Sample) -> None:
    body, headers = body_of(sample, 2)
    length = headers[JSON_LENGTH]
    with pytest.raises(MalformedRequest, match="1 bytes behind the JSON belong to no input"):
        decode(body + b"x", length)
    with pytest.raises(MalformedRequest, match="bytes are left for it"):
        decode(body[:-1], length)
    for sent in ({"binary_data_size": -1}, {"binary_data_size": True}, {"binary_data_size": "4"}):
        tensor = {"name": "x", "datatype": "FP64", "shape": [1], "parameters": sent}
        with pytest.raises(MalformedRequest, match="binary_data_size is"):
            decode(json.dumps({"inputs": [tensor]}).encode())
    both = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1], "parameters": {"binary_data_size": 0}}
    with pytest.raises(MalformedRequest, match="either data or binary_data_size"):
        decode(json.dumps({"inputs": [both]}).encode())


@pytest.mark.parametrize("name", ["classification", "shared_memory_region", "sequence_id"])
def test_an_extension_that_is_not_served_is_refused_not_left_out(name: str) -> None:
    wanted = {"inputs": [], "outputs": [{"name": "late", "parameters": {name: 1}}]}
    with pytest.raises(MalformedRequest, match=f"output late: parameter {name}"):
        decode(json.dumps(wanted).encode())


@pytest.mark.parametrize(
    ("name", "datatype", "values", "expected"),
    [
        *(("whole", kind, [0, 7], [0, 7]) for kind in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT64")),
        ("whole", "INT64", [2**53 + 1, -(2**63)], [2**53 + 1, -(2**63)]),
        ("whole", "FP64", [7.0, float("nan")], [7, None]),
        *(("number", kind, [0.5, float("nan")], [0.5, None]) for kind in ("FP16", "FP32", "FP64")),
        *(("number", kind, [1, 200], [1, 200]) for kind in ("UINT8", "UINT16", "UINT32", "INT64")),
        ("flag", "BOOL", [True, False], [True, False]),
        ("flag", "FP32", [1.0, float("nan")], [True, None]),
        ("flag", "UINT8", [1, 0], [True, False]),
        ("text", "BYTES", ["São Paulo", ""], ["São Paulo", None]),
        ("moment", "BYTES", ["2024-08-31T20:09:20", ""], ["2024-08-31T20:09:20", None]),
        ("day", "BYTES", ["2024-08-31", ""], ["2024-08-31", None]),
    ],
)
def test_every_datatype_that_a_field_takes(
    model: Model, name: str, datatype: str, values: list[Any], expected: list[Any]
) -> None:
    for shape in ([2], [2, 1]):
        sent = [Tensor(name, datatype, shape, packed(datatype, values)), Tensor(name, datatype, shape, values)]
        if shape == [2, 1]:
            sent.append(Tensor(name, datatype, shape, [[value] for value in values]))
        for tensor in sent:
            found = [row[name] for row in rows_of([tensor], model)]
            assert found == expected
            assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (Tensor("photo", "BYTES", [2], b"\2\0\0\0\xff\0\0\0\0\0"), [b"\xff\x00", None]),
        (Tensor("photo", "BYTES", [2, 1], ["QUI=", ""]), [b"AB", None]),
        (Tensor("letter", "BYTES", [2], ["a\nb", None]), ["a\nb", None]),
        (Tensor("place", "FP64", [2, 2], [1, 2, 0.5, -1.0]), [[1.0, 2.0], [0.5, -1.0]]),
        (Tensor("place", "FP32", [2, 2], [[1.0, 2.0], [float("nan")] * 2]), [[1.0, 2.0], None]),
        (Tensor("place", "INT8", [2, 2], b"\1\2\3\4"), [[1.0, 2.0], [3.0, 4.0]]),
        (Tensor("pulse", "FP64", [2, 3], packed("FP64", [0.1, 1, 2, 3, 4, 5])), [[0.1, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        (Tensor("pulse", "FP64", [2, 0], []), [[], []]),
    ],
)
def test_large_values_come_as_bytes_and_matrices(model: Model, tensor: Tensor, expected: list[Any]) -> None:
    blank = dict.fromkeys(one.name for one in EVERY_TYPE)
    rows = RowDecoder(model.contract, 500).check([blank | row for row in rows_of([tensor], model)])
    place = [one.name for one in EVERY_TYPE].index(tensor.name)
    assert [row[place] for row in rows] == expected


def test_a_row_of_every_type_is_shown_as_tensors_that_can_be_sent(model: Model) -> None:
    row = dict.fromkeys(one.name for one in EVERY_TYPE) | {"photo": "QUI=", "place": (1.0, 2.0), "letter": "hi"}
    sent = decode(msgspec.json.encode({"inputs": tensors_of_row(row, model)}))
    (found,) = rows_of(sent.inputs, model)
    assert (found["photo"], found["place"], found["letter"]) == ("QUI=", [1, 2], "hi")


def test_the_upper_half_of_a_float_is_read(model: Model) -> None:
    halves = struct.pack("<2H", *(struct.unpack("<I", struct.pack("<f", value))[0] >> 16 for value in (1.5, -2.0)))
    assert [row["number"] for row in rows_of([Tensor("number", "BF16", [2], halves)], model)] == [1.5, -2.0]


@pytest.mark.parametrize(
    ("tensor", "error", "reason"),
    [
        (Tensor("number", "FP64", [2], b"\0" * 15), MalformedRequest, "15 raw bytes for 2 values of FP64"),
        (Tensor("text", "BYTES", [2], b"\1\0\0\0a"), MalformedRequest, "end within a length"),
        (Tensor("text", "BYTES", [1], b"\4\0\0\0a"), MalformedRequest, "end within a string of 4 bytes"),
        (Tensor("text", "BYTES", [1], b"\1\0\0\0aa"), MalformedRequest, "1 raw bytes more"),
        (Tensor("text", "BYTES", [1], b"\1\0\0\0\xff"), MalformedRequest, "must be UTF-8"),
        (Tensor("number", "FP64", [10**9], b""), TooManyRows, "1000000000 rows in one request; at most 500"),
        (Tensor("number", "FP64", [-1], b""), InvalidRow, "use .rows. or .rows, 1."),
        (Tensor("number", "FP64", [1, 2], [1, 2]), InvalidRow, "use .rows. or .rows, 1."),
        (Tensor("photo", "BYTES", [1], ["QUJDREU="]), InvalidRow, "Expected bytes of length <= 4"),
        (Tensor("photo", "BYTES", [1], ["AB"]), InvalidRow, "Invalid base64"),
        (Tensor("place", "FP64", [2], [1, 2]), InvalidRow, "use .rows, 2."),
        (Tensor("place", "FP64", [1, 3], [1, 2, 3]), InvalidRow, "use .rows, 2."),
        (Tensor("place", "FP64", [2, 2], [[1, 2], [3]]), InvalidRow, "row 1, field place: shape .* with 1 values"),
        (Tensor("place", "FP64", [1, 2], [1.0, float("nan")]), InvalidRow, "has a number that is not finite"),
        (Tensor("pulse", "FP64", [1, 4], [1, 2, 3, 4]), InvalidRow, "Expected array of length <= 3"),
        (Tensor("number", "FP64", [2], [[1], [2]]), InvalidRow, "shape .* with 2 values|Expected"),
        (Tensor("number", "FP64", [2], np.array([1, np.inf]).tobytes()), InvalidRow, "row 1.*inf is not finite"),
        (Tensor("flag", "INT8", [1], [2]), InvalidRow, "Expected bool"),
        (Tensor("flag", "BOOL", [1], b"\x07"), MalformedRequest, "a raw BOOL is a byte of 0 or 1"),
    ],
)
def test_tensors_that_are_none_are_refused(model: Model, tensor: Tensor, error: type[Exception], reason: str) -> None:
    blank = dict.fromkeys(one.name for one in EVERY_TYPE)
    decoder = RowDecoder(model.contract, 500)
    with pytest.raises(error, match=reason):
        decoder.check([blank | row for row in rows_of([tensor], model)])


def test_an_input_given_twice_is_refused(shared_server: Running) -> None:
    first = {"name": "distance", "datatype": "FP64", "shape": [1], "data": [1.0]}
    reply = shared_server.client.post(PATH, json={"inputs": [first, first]})
    assert (reply.status_code, reply.json()["error"]) == (422, "field distance: row 0: this input is given twice")


def test_a_build_is_the_one_version_of_its_model(shared_server: Running, sample: Sample) -> None:
    client, model = shared_server.client, "/v2/models/flights"
    version = f"{model}/versions/{shared_server.build}"
    assert client.get(model).json()["versions"] == [shared_server.build]
    for verb in ("", "/ready", "/config"):
        assert client.get(version + verb).json() == client.get(model + verb).json()
    body, headers = body_of(sample, 3)
    assert client.post(f"{version}/infer", content=body, headers=headers).status_code == 200
    for other in ("old", "../../x", "%00", "9" * 5_000):
        reply = client.get(f"{model}/versions/{other}/ready")
        assert reply.status_code == 404, other
        assert shared_server.build in reply.json()["error"]


def test_triton_s_extensions_describe_the_model(shared_server: Running, sample: Sample) -> None:
    client = shared_server.client
    assert "binary_tensor_data" in client.get("/v2").json()["extensions"]
    (listed,) = client.post("/v2/repository/index", content=b"").json()
    assert listed == {"name": "flights", "version": shared_server.build, "state": "READY", "reason": ""}
    config = client.get("/v2/models/flights/config").json()
    assert [one["name"] for one in config["input"]] == [one.name for one in sample.contract.inputs]
    assert config["output"] == [
        {"name": "probability", "data_type": "TYPE_FP64", "dims": [-1]},
        {"name": "late", "data_type": "TYPE_BOOL", "dims": [-1]},
    ]
