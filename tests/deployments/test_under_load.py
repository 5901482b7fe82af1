"""Limits, deadlines, draining, several workers: what happens when things get tight."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from deployments.data_plane.formats.content import JSON_TYPE
from deployments.data_plane.load.stalled import CROWDED_SECONDS, BodyWatch
from deployments.data_plane.protocol import BodyTooLate
from deployments.data_plane.tables.content_types import ARROW
from deployments.data_plane.telemetry.exchange import Exchange
from deployments.data_plane.telemetry.metrics import Metrics
from tests.deployments.processes import Running, wait_until
from tests.deployments.small_build import Sample
from tests.deployments.test_interfaces import arrow, table

Serve = Callable[..., Running]


def test_a_client_that_asks_too_often_is_told_when_to_come_back(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--rate-limit", "2", "--client-header", "X-Client")
    (row,) = sample.rows(1)
    statuses = [running.post(row, headers={"x-client": "a"}).status_code for _ in range(5)]
    assert statuses == [200, 200, 429, 429, 429]
    reply = running.post(row, headers={"x-client": "a"})
    assert reply.json()["error"]["kind"] == "rate_limited"
    assert int(reply.headers["retry-after"]) >= 1
    assert running.post(row, headers={"x-client": "b"}).status_code == 200
    assert running.client.get("/readyz").status_code == 200


def test_a_deadline_that_passed_is_answered_with_504(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build)
    (row,) = sample.rows(1)
    reply = running.post(row, headers={"x-request-timeout-ms": "0"})
    assert (reply.status_code, reply.json()["error"]["kind"]) == (504, "expired")
    assert running.post(row, headers={"x-request-timeout-ms": "soon"}).status_code == 400
    assert running.post(row, headers={"x-request-timeout-ms": "900"}).status_code == 200


def test_a_full_service_refuses_at_once_and_recovers(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--queue-requests", "1")
    rows = sample.rows(400)
    statuses: list[int] = []
    retry: set[str] = set()
    named: set[tuple[str, ...]] = set()

    def ask() -> None:
        with httpx.Client(base_url=running.url, timeout=20) as client:
            for _ in range(20):
                reply = client.post("/v1/predict", json=rows, headers={"x-request-id": "mine"})
                statuses.append(reply.status_code)
                if reply.status_code == 503:
                    retry.add(reply.headers["retry-after"])
                    told = reply.json()
                    named.add((told["build"], told["request_id"]))
                    named.add((reply.headers["x-build"], reply.headers["x-request-id"]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, 503}
    assert (retry, named) == ({"1"}, {(running.build, "mine")})
    assert running.post(rows).status_code == 200
    assert 'slipway_errors_total{kind="overloaded"}' in running.client.get("/metrics").text


def test_a_stop_drains_first_unready_then_gone_and_nothing_accepted_is_lost(
    serve: Serve, build: Path, sample: Sample
) -> None:
    # Long enough for probes that share the processor with many others.
    running = serve("--build", build, "--drain-seconds", "3")
    (row,) = sample.rows(1)
    bad: list[str] = []
    unready = threading.Event()
    closed: list[str] = []

    def ask() -> None:
        # A gateway's view: a new connection each time; it turns away when readiness goes down.
        while not unready.is_set():
            try:
                reply = httpx.post(f"{running.url}/v1/predict", json=row, timeout=20)
            except httpx.HTTPError as error:
                bad.append(repr(error))
                return
            if reply.status_code != 200:
                bad.append(reply.text)
            closed.append(reply.headers.get("connection", ""))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    start = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{running.url}/readyz").status_code == 503)
    assert httpx.get(f"{running.url}/livez").status_code == 200
    wait_until(lambda: closed[-1] == "close")
    unready.set()
    for thread in threads:
        thread.join()
    assert running.process.wait(timeout=20) == 0
    assert time.monotonic() - start > 2.9
    assert not bad


def test_a_table_that_waited_too_long_is_not_answered_and_more_than_a_few_are_refused(
    serve: Serve, build: Path, sample: Sample
) -> None:
    running = serve("--build", build, "--price-per-hour", "36")
    body, headers = arrow(table(sample, 400)), {"content-type": ARROW}

    def score(**more: str) -> httpx.Response:
        return running.client.post("/v1/score", content=body, headers=headers | more)

    late = score(**{"x-request-timeout-ms": "0"})
    assert (late.status_code, late.json()["error"]["kind"]) == (504, "expired")
    # Tables whose bodies do not come occupy all places: what comes then is refused.
    head = f"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-type: {ARROW}\r\ncontent-length: 1000\r\n\r\n"
    waiting: list[socket.socket] = []

    def is_full() -> bool:
        waiting.append(socket.create_connection(running.address))
        waiting[-1].sendall(head.encode())
        return score().status_code == 503

    wait_until(is_full)
    assert len(waiting) >= 8
    for connection in waiting:
        connection.close()
    wait_until(lambda: score().status_code == 200)
    told = [line.split() for line in running.client.get("/metrics").text.splitlines()]
    costs = [float(line[1]) for line in told if line[0] in ("slipway_usd_per_1000", "slipway_model_usd_per_1000")]
    assert len(costs) == 2
    assert min(costs) > 0


def test_one_scrape_counts_what_all_workers_answered(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--workers", "2")
    (row,) = sample.rows(1)
    for _ in range(40):
        assert httpx.post(f"{running.url}/v1/predict", json=row).status_code == 200
    wanted = 'slipway_requests_total{path="/v1/predict",status="200"} 40.0'
    wait_until(lambda: wanted in running.client.get("/metrics").text)


def test_what_a_dead_worker_left_is_counted_but_no_longer_waits(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = Metrics(rows=7, in_flight=3, waiting_rows=5)
    (tmp_path / f"{gone.pid}.counts").write_bytes(msgspec.msgpack.encode(left))
    (tmp_path / f"{os.getppid()}.counts").write_bytes(msgspec.msgpack.encode(left))
    total = Exchange(tmp_path, Metrics()).total()
    assert (total.rows, total.in_flight, total.waiting_rows) == (14, 3, 5)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/predict", JSON_TYPE), ("/v1/score", ARROW), ("/v2/models/flights/infer", JSON_TYPE)],
)
@pytest.mark.parametrize("framing", ["content-length: 500", "transfer-encoding: chunked"])
def test_a_client_that_stops_in_its_body_is_let_go(
    serve: Serve, build: Path, path: str, kind: str, framing: str
) -> None:
    running = serve("--build", build, "--body-seconds", "0.3")
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n5\r\n{{"
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(head.encode())
        told = b""
        while part := client.recv(65_536):
            told += part
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in told.lower()
    assert b"did not come within 0.3 s" in told
    metrics = running.client.get("/metrics").text
    assert 'slipway_errors_total{kind="body_too_late"} 1.0' in metrics
    # The scrape itself, and nothing else.
    assert "slipway_in_flight 1.0" in metrics


def test_a_body_that_comes_slowly_but_in_time_is_answered(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--deadline-seconds", "60")
    body = msgspec.json.encode(sample.rows(1)[0])
    head = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON_TYPE}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(running.address, timeout=20) as client:
        client.sendall(head.encode() + body[:10])
        # Longer than the service's looks are apart.
        time.sleep(0.5)
        client.sendall(body[10:])
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_client_that_goes_away_is_not_our_failure(serve: Serve, build: Path) -> None:
    running = serve("--build", build)
    url = httpx.URL(running.url)
    with socket.create_connection((url.host, url.port)) as client:
        client.sendall(
            b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
        )
    wait_until(lambda: 'slipway_errors_total{kind="disconnected"} 1.0' in running.client.get("/metrics").text)


def test_the_access_log_is_json_and_sampled(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--access-log", "1")
    named = running.post(sample.rows(2)).json()["request_id"]
    refused = running.post({"nothing": 1}).json()["request_id"]
    body, headers = arrow(table(sample, 5)), {"content-type": ARROW, "x-request-id": "bulk"}
    running.client.post("/v1/score", content=body, headers=headers)
    running.client.get("/livez")
    wait_until(lambda: running.log.read_text().count('"event":"request"') == 4)
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert [(line["status"], line.get("request_id")) for line in lines] == [
        (200, named),
        (422, refused),
        (200, "bulk"),
        (200, None),
    ]
    quiet = serve("--build", build)
    quiet.post(sample.rows(2))
    assert quiet.log.read_text() == ""


def test_a_worker_that_dies_is_replaced_and_the_others_answer_on(serve: Serve, build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--workers", "2")
    (row,) = sample.rows(1)
    parent = psutil.Process(running.process.pid)
    first, second = (child.pid for child in parent.children())
    os.kill(first, signal.SIGKILL)

    def answered() -> bool:
        try:
            return httpx.post(f"{running.url}/v1/predict", json=row).status_code == 200
        except httpx.TransportError:
            # The connection was already waiting for the worker that died.
            return False

    wait_until(lambda: {child.pid for child in parent.children()} - {first} > {second})
    wait_until(lambda: all(answered() for _ in range(20)))
    assert running.stop() == 0


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux knows the batch policy")
def test_threads_of_a_worker_do_not_take_the_core_from_each_other(serve: Serve, build: Path) -> None:
    (worker,) = psutil.Process(serve("--build", build).process.pid).children()
    # The main thread, and the server's, which are made last.
    made = sorted(thread.id for thread in worker.threads())
    assert {os.sched_getscheduler(thread) for thread in (worker.pid, *made[-2:])} == {os.SCHED_BATCH}


def test_bodies_that_do_not_come_hold_every_second_place_for_two_seconds_only() -> None:
    async def ended(places: int) -> list[str]:
        watch, told = BodyWatch(30, places), []

        async def read() -> None:
            task = asyncio.current_task()
            watch.reading.add(task)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                try:
                    watch.check(task)
                except BodyTooLate as error:
                    told.append(str(error))
                else:
                    raise
            finally:
                watch.reading.discard(task)

        reading = [asyncio.create_task(read()) for _ in range(2)]
        await asyncio.sleep(0)
        for now in (0.0, CROWDED_SECONDS - 0.1, CROWDED_SECONDS + 0.1):
            watch.look(now)
            await asyncio.sleep(0)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        return told

    assert asyncio.run(ended(places=3)) == ["the body did not come within 2 s"] * 2
    assert asyncio.run(ended(places=4)) == []
