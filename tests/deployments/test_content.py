"""What a body may be: of a declared type, plain or compressed, and as large as the limit in both forms."""

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from deployments.data_plane.formats.content import COMPRESS_FROM
from tests.deployments.processes import Running
from tests.deployments.small_build import Sample
from tests.deployments.test_interfaces import ARROW, arrow, table, tensors

JSON = {"content-type": "application/json"}
LIMIT = 500_000


def ask(running: Running, path: str, body: bytes, **headers: str | None) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return running.client.post(path, content=body, headers=named)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "x",
        "",
        None,
    ],
)
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain"])
def test_what_a_page_of_any_origin_may_post_is_not_read(
    shared_server: Running, sample: Sample, path: str, kind: str | None
) -> None:
    reply = ask(shared_server, path, json.dumps(sample.rows(1)).encode(), content_type=kind)
    assert (reply.status_code, reply.json()["error"]["kind"]) == (415, "content_type")
    assert "use application/json" in reply.json()["error"]["reason"]
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_json_is_json_however_it_is_written(shared_server: Running, sample: Sample, kind: str) -> None:
    assert ask(shared_server, "/v1/predict", json.dumps(sample.rows(1)).encode(), content_type=kind).status_code == 200


def test_tensors_need_no_type_unless_a_browser_sends_them(shared_server: Running, sample: Sample) -> None:
    path, body = "/v2/models/flights/infer", json.dumps(tensors(sample, 2)).encode()
    # Triton's client gives no type; a page could make a browser send none, which then names the page's origin.
    assert ask(shared_server, path, body).status_code == 200
    assert ask(shared_server, path, body, content_type="application/octet-stream").status_code == 200
    assert ask(shared_server, path, body, origin="https://elsewhere.example").status_code == 415
    assert ask(shared_server, path, body, content_type="text/plain").status_code == 415


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_compressed_bodies_are_answered_on_every_path(
    shared_server: Running, sample: Sample, coding: str, pack: Any
) -> None:
    for path, kind, body in (
        ("/v1/predict", "application/json", json.dumps(sample.rows(400)).encode()),
        ("/v1/explain", "application/json", json.dumps(sample.rows(2)).encode()),
        ("/v1/score", ARROW, arrow(table(sample, 300))),
        ("/v2/models/flights/infer", "application/json", json.dumps(tensors(sample, 20)).encode()),
    ):
        plain = ask(shared_server, path, body, content_type=kind)
        packed = ask(shared_server, path, pack(body), content_type=kind, content_encoding=coding)
        assert (plain.status_code, packed.status_code) == (200, 200), packed.text
        if path == "/v1/predict":
            assert packed.json()["predictions"] == plain.json()["predictions"]


def test_a_body_is_as_large_as_it_is_unpacked(shared_server: Running) -> None:
    for size in (LIMIT + 1, 100 * LIMIT):
        reply = ask(shared_server, "/v1/predict", gzip.compress(b" " * size, mtime=0), **JSON, content_encoding="gzip")
        assert (reply.status_code, reply.json()["error"]["kind"]) == (413, "too_large")
        assert f"more than {LIMIT} bytes" in reply.json()["error"]["reason"]
    # As large as it may be, it is read: there is nothing in it.
    assert (
        ask(
            shared_server, "/v1/predict", gzip.compress(b" " * LIMIT, mtime=0), **JSON, content_encoding="gzip"
        ).status_code
        == 400
    )


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", b"{}", "not compressed as its content-encoding says"),
        ("deflate", gzip.compress(b"{}", mtime=0), "not compressed as its content-encoding says"),
        ("gzip", gzip.compress(b"{}" * 100, mtime=0)[:-9], "ends too early"),
        ("gzip", gzip.compress(b"{}", mtime=0) + gzip.compress(b"{}", mtime=0), "bytes follow the end"),
        ("gzip", b"", "ends too early"),
    ],
)
def test_bodies_that_are_not_what_they_say_are_malformed(
    shared_server: Running, coding: str, body: bytes, reason: str
) -> None:
    reply = ask(shared_server, "/v1/predict", body, **JSON, content_encoding=coding)
    assert (reply.status_code, reply.json()["error"]["kind"]) == (400, "malformed")
    assert reason in reply.json()["error"]["reason"]


def test_a_coding_that_is_not_understood_is_named_with_those_that_are(shared_server: Running) -> None:
    for coding in ("zstd", "br", "gzip, gzip"):
        reply = ask(shared_server, "/v1/predict", b"{}", **JSON, content_encoding=coding)
        assert (reply.status_code, reply.json()["error"]["kind"]) == (415, "content_encoding")
        assert reply.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("br, gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("br", None)],
)
def test_large_answers_are_compressed_for_whoever_asks(
    shared_server: Running, sample: Sample, accepted: str, coding: str | None
) -> None:
    body = json.dumps(tensors(sample, 300)).encode()
    for reply in (
        ask(shared_server, "/v2/models/flights/infer", body, **JSON, accept_encoding=accepted),
        shared_server.client.get("/openapi.json", headers={"accept-encoding": accepted}),
    ):
        assert reply.headers.get("content-encoding") == coding
        assert "accept-encoding" in reply.headers["vary"]
        # httpx unpacks it.
        assert len(reply.content) > COMPRESS_FROM
        assert reply.json()


def test_numbers_of_thousands_of_digits_are_refused_in_one_line(shared_server: Running, sample: Sample) -> None:
    (row,) = sample.rows(1)
    for name in ("scheduled_arrival", "distance"):
        for digits in ("9" * 5_000, "-" + "9" * 5_000, "1e" + "9" * 5_000, "0." + "1" * 5_000):
            body = json.dumps(row | {name: "HERE"}).replace('"HERE"', digits).encode()
            reply = ask(shared_server, "/v1/predict", body, **JSON)
            fits = name == "distance" and digits.startswith("0.")
            assert reply.status_code in ((200,) if fits else (400, 422)), (name, digits[:9], reply.text)
            assert len(reply.text) < 600
