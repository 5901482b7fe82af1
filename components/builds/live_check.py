"""Serve a build, send it held-out rows over HTTP, and measure what a client would see."""

import http.client
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.answer_shape import differences
from components.artefacts.build import Build
from components.result import Result
from components.service.asking import ask
from components.service.process import serving

WARM_UP_REQUESTS = 50


class LiveCheck(Result):
    """What a client saw of a build that was really served; latencies in milliseconds, one row a request.

    ``max_difference`` is in units of the answers' scale: as it is for probabilities, in sizes of the label where
    it is a number.
    """

    rows: int
    max_difference: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    requests_per_second: float
    start_seconds: float
    usd_per_1000: float


def check_live(
    build: Build,
    rows: Sequence[dict[str, Any]],
    evaluated: NDArray[Any],
    price_per_hour: float,
) -> tuple[LiveCheck, NDArray[np.float64]]:
    """Serve a build, send every row alone, and compare the answers with the evaluated ones, [rows, columns].

    Also returns the numbers answered to the golden rows, as many sent together as the service takes at once. The
    cost of 1,000 answers is that of one connection that waits for each answer: an upper bound.
    """
    started, serves = time.perf_counter(), build.serving()
    shape = serves.answer
    with serving([*build.asked_for(), "--port", "0", "--workers", "1", "--drain-seconds", "0"]) as (endpoint, _):
        start_seconds = time.perf_counter() - started
        address = urlsplit(endpoint.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        try:
            bodies = [msgspec.json.encode(row) for row in rows]
            for body in bodies[:WARM_UP_REQUESTS]:
                ask(connection, body)
            answers, seconds = [], []
            for body in bodies:
                before = time.perf_counter()
                answer = ask(connection, body)
                seconds.append(time.perf_counter() - before)
                answers.append(shape.read(answer["predictions"][0]))
            golden = [msgspec.json.encode(row) for row in build.golden().rows]
            requests = bodies_within(golden, serves.max_rows, serves.max_body_bytes)
            together = [one for body in requests for one in ask(connection, body)["predictions"]]
        finally:
            connection.close()
    p50, p95, p99 = (float(value) for value in np.quantile(seconds, [0.5, 0.95, 0.99]) * 1000)
    per_second = len(seconds) / sum(seconds)
    checked = LiveCheck(
        rows=len(rows),
        max_difference=float(differences(np.array(answers), evaluated).max()) / shape.scale,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        latency_p99_ms=p99,
        requests_per_second=per_second,
        start_seconds=start_seconds,
        usd_per_1000=price_per_hour / 3600 / per_second * 1000,
    )
    return checked, np.array([shape.read(one) for one in together], dtype=np.float64)


def bodies_within(rows: Sequence[bytes], most_rows: int, most_bytes: int) -> list[bytes]:
    """Return rows, each as JSON, as lists of rows within the limits of a request; a row alone may be over them."""
    bodies, size = list[list[bytes]](), 0
    for row in rows:
        # With the comma or the bracket behind it.
        if not bodies or len(bodies[-1]) == most_rows or size + len(row) + 1 > most_bytes:
            bodies.append([])
            size = 1
        bodies[-1].append(row)
        size += len(row) + 1
    return [b"[" + b",".join(body) + b"]" for body in bodies]
