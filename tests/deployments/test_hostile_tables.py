"""Tables that do harm where they are read: refused with a reason, the service and its workers live on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deployments.data_plane.tables.content_types import ARROW, PARQUET
from tests.deployments.hostile_tables import MEGABYTE, arrow, hostile_tables, one_text, parquet, with_column
from tests.deployments.processes import Running, wait_until
from tests.deployments.small_build import Sample

CRASH = Path(__file__).parents[1] / "outside" / "cases" / "crash_arrow_stream.bin"
# What a process holds that has loaded its libraries and read a small table.
SMALL_MEGABYTES = 400


def sound_table(sample: Sample) -> pa.Table:
    names = [field.name for field in sample.contract.inputs]
    table = sample.frame.select(names).head(50).to_arrow()
    kinds = [(column.name, pa.string() if column.type == pa.large_string() else column.type) for column in table.schema]
    return table.cast(pa.schema(kinds)).combine_chunks()


def score(running: Running, body: bytes, content_type: str = ARROW) -> tuple[int, Any]:
    reply = running.client.post("/v1/score", content=body, headers={"content-type": content_type})
    return reply.status_code, None if reply.status_code == 200 else reply.json()["error"]


def below(process: int) -> list[int]:
    """Return a process and all below it."""
    found = [process]
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found += below(int(child))
    return found


def readers(running: Running) -> list[int]:
    """Return the processes that read tables, the one that forks first."""
    return [process for process in below(running.process.pid) if b"tables.decoder" in command_of(process)]


def command_of(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def peak_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@pytest.fixture
def running(serve: Callable[..., Running], build: Path) -> Running:
    return serve("--build", build, "--table-bytes", "100000000")


def test_tables_that_do_harm_are_refused_and_nobody_dies_of_them(running: Running, sample: Sample) -> None:
    table = sound_table(sample)
    assert score(running, arrow(table))[0] == 200
    workers = [process for process in below(running.process.pid) if process not in readers(running)]
    for name, kind, body in [("crash", ARROW, CRASH.read_bytes()), *hostile_tables(table, "carrier", "distance")]:
        status, error = score(running, body, kind)
        assert 200 <= status < 500, (name, error)
        assert status == 200 or 0 < len(error["reason"]) < 700, (name, error)
    assert score(running, arrow(table))[0] == 200
    assert [process for process in below(running.process.pid) if process not in readers(running)] == workers
    assert {
        process: size for process in below(running.process.pid) if (size := peak_megabytes(process)) > SMALL_MEGABYTES
    } == {}


def test_a_text_in_every_row_that_no_rule_bounds_is_not_written_out(running: Running, sample: Sample) -> None:
    table = sound_table(sample)
    column = next(field.name for field in sample.contract.inputs if field.dtype == "string" and not field.max_length)
    body = arrow(with_column(table, column, one_text(MEGABYTE, 5_000)), "zstd")
    status, error = score(running, body)
    assert status in (413, 422), error


def test_a_table_that_unpacks_to_more_than_is_allowed_is_too_large(
    serve: Callable[..., Running], build: Path, sample: Sample
) -> None:
    running = serve("--build", build, "--table-bytes", "1000")
    status, error = score(running, parquet(sound_table(sample)), PARQUET)
    assert (status, error["kind"]) == (413, "too_large")
    assert error["reason"].endswith("bytes when unpacked; at most 1000")


@pytest.mark.parametrize("which", [0, -1])
def test_a_reader_that_dies_is_followed_by_another(running: Running, sample: Sample, which: int) -> None:
    body = arrow(sound_table(sample))
    assert score(running, body)[0] == 200
    os.kill(readers(running)[which], signal.SIGSEGV)
    # Whoever asks in this very moment may be told so; nobody later.
    wait_until(lambda: score(running, body)[0] == 200)
    assert [score(running, body)[0] for _ in range(3)] == [200] * 3


def test_readers_end_with_their_worker(running: Running, sample: Sample) -> None:
    assert score(running, arrow(sound_table(sample)))[0] == 200
    left = readers(running)
    assert len(left) == 2
    worker = next(int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1]) for process in left)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in left))


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain", "/v2/models/flights/infer"])
@pytest.mark.parametrize("body", [b'{"inputs":' + b"[" * 2_000, b"[" * 200_000, b'{"a":' * 50_000])
def test_json_that_is_nested_without_end_is_malformed(shared_server: Running, path: str, body: bytes) -> None:
    reply = shared_server.client.post(path, content=body, headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422), reply.text
