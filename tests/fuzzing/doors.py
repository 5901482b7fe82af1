"""Where bodies are sent, and what a sound one is there: every format that the service reads."""

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import msgspec
import pyarrow as pa

from data_contracts.description.types.registry import value_type
from deployments.data_plane.tables.content_types import ARROW, PARQUET
from tests.deployments.hostile_tables import arrow, parquet
from tests.deployments.small_build import Sample
from tests.deployments.test_hostile_tables import sound_table

JSON = "application/json"
# Refused because the machine is busy: nobody's fault.
BUSY = {503, 504}


@dataclass(frozen=True)
class Door:
    """A path and a content type, sound bodies for it, and further headers."""

    name: str
    path: str
    content_type: str
    sound: tuple[bytes, ...]
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, client: httpx.Client, body: bytes, coding: str | None = None) -> int:
        """Send a body and return the status; the answer must be whole."""
        headers = {"content-type": self.content_type, **self.headers}
        if coding is not None:
            headers["content-encoding"] = coding
        return client.post(self.path, content=body, headers=headers).status_code


def doors(sample: Sample) -> list[Door]:
    """Return every door of HTTP."""
    rows, table = sample.rows(3), sound_table(sample)
    inputs = [
        {
            "name": one.name,
            "datatype": value_type(one.dtype).datatype,
            "shape": [3],
            "data": [row[one.name] for row in rows],
        }
        for one in sample.contract.inputs
    ]
    asked = {"id": "mine", "inputs": inputs, "outputs": [{"name": "probability"}]}
    as_json = (json.dumps(rows[0]).encode(), json.dumps(rows).encode())
    infer = "/v2/models/flights/infer"
    streams = (arrow(table), arrow(table, "zstd"), arrow(table, "lz4"), *_dictionaries(table))
    return [
        Door("json", "/v1/predict", JSON, as_json),
        Door("explain", "/v1/explain", JSON, as_json),
        Door("msgpack", "/v1/predict", "application/msgpack", (msgspec.msgpack.encode(rows),)),
        Door("csv", "/v1/score", "text/csv", (_csv(rows),)),
        Door("infer", infer, JSON, (json.dumps(asked).encode(),)),
        Door("binary", infer, "application/octet-stream", *_binary(asked)),
        Door("arrow", "/v1/score", ARROW, streams),
        Door("parquet", "/v1/score", PARQUET, (parquet(table), parquet(table, use_dictionary=False))),
    ]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def _binary(asked: dict[str, Any]) -> tuple[tuple[bytes, ...], dict[str, str]]:
    """Return a request with a part behind its JSON, as clients of Triton send it."""
    head = json.dumps(asked).encode()
    return (head + b"\0" * 64,), {"inference-header-content-length": str(len(head))}


def _dictionaries(table: pa.Table) -> tuple[bytes, ...]:
    for place, column in enumerate(table.schema):
        if column.type == pa.string():
            table = table.set_column(place, column.name, table.column(place).dictionary_encode())
    return (arrow(table), arrow(table, "zstd"))


def call_grpc(channel: grpc.Channel, body: bytes) -> grpc.StatusCode:
    """Send bytes as a request for answers, and return how it ended."""
    stub = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    try:
        stub(body, timeout=20)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK
