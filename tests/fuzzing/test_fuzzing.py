"""A running service gets changed bodies for a while: no failure of its own, no death, no memory beyond a limit.

    pytest tests/fuzzing -m slow                  for 45 s, from seed 1
    SLIPWAY_FUZZ_SECONDS=3600 SLIPWAY_FUZZ_SEED=7  longer, from another

What was found is written to the file that the failure names; put it into ``corpus/`` as ``<door>-<what it is>``: every
body there is sent first, each time.
"""

import logging
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.deployments.processes import Running, servers
from tests.deployments.small_build import Sample, draw_sample, write_build
from tests.deployments.test_grpc import infer
from tests.deployments.test_hostile_tables import below, command_of, peak_megabytes
from tests.fuzzing.doors import BUSY, Door, call_grpc, doors
from tests.fuzzing.mutations import compressed, mutated

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).parent / "corpus"
SECONDS = float(os.environ.get("SLIPWAY_FUZZ_SECONDS", "45"))
SEED = int(os.environ.get("SLIPWAY_FUZZ_SEED", "1"))
MEGABYTES = 900
LOOK_EVERY = 100


@pytest.fixture(scope="module")
def sample() -> Sample:
    return draw_sample()


@pytest.fixture(scope="module")
def running(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    build = write_build(sample, tmp_path_factory.mktemp("fuzzed") / "build")
    with servers(tmp_path_factory.mktemp("service")) as start:
        yield start("--build", build, "--grpc-port", "0", "--table-bytes", "200000000", "--predictions", build.parent)


class Watch:
    """What must be as it was: the workers, and how much memory each process took."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._workers = self._now()

    def _now(self) -> list[int]:
        return [one for one in below(self._running.process.pid) if b"tables.decoder" not in command_of(one)]

    def look(self) -> None:
        assert self._now() == self._workers, "a worker died"
        for process in below(self._running.process.pid):
            assert peak_megabytes(process) < MEGABYTES, command_of(process)


def kept(found: list[Door]) -> Iterator[tuple[Door, bytes]]:
    """Yield every body of the corpus with its door."""
    by_name = {door.name: door for door in found}
    for file in sorted(CORPUS.iterdir()):
        yield by_name[file.name.partition("-")[0]], file.read_bytes()


def check(door: Door, running: Running, body: bytes, coding: str | None, folder: Path) -> int:
    """Send a body; what the service fails at is written down."""
    file = folder / f"{door.name}-found"
    file.write_bytes(body)
    status = door.send(running.client, body, coding)
    assert status < 500 or status in BUSY, f"{status} for {file} (coding {coding}, seed {SEED})"
    return status


def test_what_once_did_harm_does_none(running: Running, sample: Sample, tmp_path: Path) -> None:
    found = doors(sample)
    watch = Watch(running)
    assert [check(door, running, door.sound[0], None, tmp_path) for door in found if door.name == "arrow"] == [200]
    for door, body in kept(found):
        assert 400 <= check(door, running, body, None, tmp_path) < 500, door
        watch.look()


def test_changed_bodies_are_answered_or_refused(running: Running, sample: Sample, tmp_path: Path) -> None:
    found = doors(sample)
    everything = [body for door in found for body in door.sound]
    watch, draw, told = Watch(running), random.Random(SEED), Counter[str]()
    grpc_body = infer(sample, 2).SerializeToString()
    with grpc.insecure_channel(running.grpc) as channel:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            door = draw.choice(found)
            body = mutated(draw.choice(door.sound), everything, draw)
            coding = None
            if draw.random() < 0.02:
                coding, body = compressed(body, draw)
            told[f"{door.name} {check(door, running, body, coding, tmp_path)}"] += 1
            if draw.random() < 0.1:
                code = call_grpc(channel, mutated(grpc_body, everything, draw))
                told[f"grpc {code.name}"] += 1
                assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), f"seed {SEED}: {told}"
            if told.total() % LOOK_EVERY == 0:
                watch.look()
    watch.look()
    logging.getLogger(__name__).info("%s bodies from seed %s: %s", told.total(), SEED, dict(sorted(told.items())))
    assert told["json 200"], "no changed body is sound: what is sent is not what is read"
    assert told.total() > 100


HTTP = (
    b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n[1,2,\r\n3\r\n3]\n\r\n0\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nContent-Length: 4\r\n\r\n0123456789",
    b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"ffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\xff\xff\xff\0\0\0\0\0\1",
    b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 500,
    b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + b"x" * 1_000_000 + b"\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(20_000)) + b"\r\n",
    b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: nan\r\nContent-Length: 2\r\n\r\n{}",
)


def test_requests_that_are_hardly_http_end(running: Running) -> None:
    watch, draw = Watch(running), random.Random(SEED)
    address = running.address
    for number in range(300):
        sent = HTTP[number] if number < len(HTTP) else mutated(draw.choice(HTTP), HTTP, draw)
        with socket.create_connection(address, timeout=0.2) as connection:
            answer = b""
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65_536)
            except OSError:
                # Closed in the middle, or nothing to say yet to what is not whole.
                pass
        assert not answer.startswith(b"HTTP/1.1 500"), sent[:500]
    watch.look()
    assert running.client.get("/livez").status_code == 200
