"""Bodies that are small and do harm, sent to a served champion: each is refused, and the service answers on."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.outside.conftest import CASES
from tests.outside.places import Place, one_clear_line, processes_of

pytestmark = pytest.mark.outside

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
# Of one process: the libraries take 200.
MEGABYTES = 700
ROW = {"at": "2024-08-31T20:09:20", "amount": 19.26, "pieces": 7, "city": "Oslo", "kind": "b", "flag": False}


def post(url: str, body: bytes, content_type: str) -> int:
    reply = httpx.post(url, content=body, headers={"content-type": content_type}, timeout=60)
    assert reply.content
    return reply.status_code


def orders(rows: int = 777) -> pa.Table:
    frame = pl.DataFrame([ROW] * rows).with_columns(pl.col("at").str.to_datetime())
    # Texts with 32-bit offsets, as most writers have them.
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    kinds = [(column.name, pa.string() if column.type == pa.large_string() else column.type) for column in table.schema]
    return table.cast(pa.schema(kinds)).combine_chunks()


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=64)
    return sink.getvalue()


def crashing() -> bytes:
    """Return a stream whose offsets of texts lead a gigabyte beyond their buffer."""
    sound = np.arange(778, dtype=np.int32) * 4
    broken = sound.copy()
    broken[10:-1] = 2**30 + np.arange(767)
    body = arrow(orders())
    assert sound.tobytes() in body
    return body.replace(sound.tobytes(), broken.tobytes())


def with_text(rows: int) -> pa.Table:
    """Return orders of one city, whose name has a million letters."""
    table = orders(rows)
    place = table.schema.get_field_index("city")
    return table.set_column(place, "city", pa.array(["x" * 1_000_000] * rows))


def peak_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def test_bodies_that_do_harm_are_refused_and_nobody_dies(champion: Place) -> None:
    served = champion.serve("shop.yaml", "--workers", "1")
    score, predict = f"{served.url}/v1/score", f"{served.url}/v1/predict"
    assert post(score, arrow(orders()), ARROW) == 200
    assert post(score, parquet(orders()), PARQUET) == 200
    alive = processes_of(champion)
    known = (CASES / "crash_arrow_stream.bin").read_bytes()
    with ThreadPoolExecutor(16) as pool:
        for body in (crashing(), known):
            told = list(pool.map(lambda sent: post(score, sent, ARROW), [body] * 16))
            assert set(told) <= {400, 422, 503, 504}, told
    large = pa.table({"unknown": pa.array(np.zeros(50_000_000))})
    for body, kind in (
        (parquet(with_text(64)), PARQUET),
        (arrow(with_text(6), "zstd"), ARROW),
        (arrow(large, "zstd"), ARROW),
        (arrow(orders())[:-1_000], ARROW),
        (b"", PARQUET),
    ):
        assert 400 <= post(score, body, kind) < 500
    nested = b'{"inputs":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    for path in ("/v2/models/shop/infer", "/v1/predict", "/v1/explain"):
        assert 400 <= post(served.url + path, nested, "application/json") < 500
    assert post(score, arrow(orders()), ARROW) == 200
    assert post(predict, json.dumps(ROW).encode(), "application/json") == 200
    assert processes_of(champion) == alive
    assert max(map(peak_megabytes, alive)) < MEGABYTES


def test_a_file_that_its_reader_does_not_survive_is_one_line_of_score(champion: Place) -> None:
    source, target = champion.folder / "in.arrow", champion.folder / "out.parquet"
    table = orders()
    with pa.ipc.new_file(source, table.schema) as writer:
        writer.write_table(table)
    champion.run("slipway", "score", "shop.yaml", source, target, expect=0)
    assert pq.read_metadata(target).num_rows == 777
    before = target.read_bytes()
    # A thread of the reader's panics over a column that stands twice.
    twice = table.append_column("city", table.column("city"))
    with pa.ipc.new_file(source, twice.schema) as writer:
        writer.write_table(twice)
    line = one_clear_line(champion.run("slipway", "score", "shop.yaml", source, target))
    assert str(source) in line
    assert target.read_bytes() == before
    assert not list(champion.folder.glob(".scored.*"))
