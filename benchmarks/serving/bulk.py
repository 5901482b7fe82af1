"""Scoring a large file: ``python -m benchmarks.serving.bulk [--rows N]``.

Compared with ONNX Runtime alone on arrays that are ready in memory, and with POST /v1/score of the same rows in
requests of 20,000. The file is scored in a process of its own, whose peak memory is told.
"""

import argparse
import multiprocessing
import multiprocessing.connection
import resource
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.serving.contenders import CONTENDERS
from benchmarks.serving.load import started
from benchmarks.serving.model import make_material
from benchmarks.serving.ports import free_port
from components.delivery.build import open_build
from components.delivery.scoring import score_file
from components.workloads.tabular.inference import Predictor
from data_contracts.flights import read_flights
from deployments.data_plane.columnar import ARROW, columns_of

ENDPOINT_ROWS = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bulk-") as name:
        folder = Path(name)
        material = make_material(folder / "material")
        build = open_build(material.build)
        names = [field.name for field in build.contract().inputs]
        flights = read_flights().select(names).collect()
        source = folder / "in.parquet"
        copies = -(-given.rows // len(flights))
        pl.concat([flights.lazy()] * copies).head(given.rows).sink_parquet(source)
        alone = runtime_alone(material.build, flights)
        report("ONNX Runtime alone, arrays ready, one thread", alone, "")
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=scored, args=(material.build, source, folder / "out.parquet", sender))
        process.start()
        rate, memory = receiver.recv()
        process.join()
        report(
            f"score_file, {given.rows:,} rows of Parquet", rate, f", peak {memory:.0f} MB, {rate / alone:.0%} of that"
        )
        port = free_port()
        with started(CONTENDERS[1], material, port, core=0):
            report(f"POST /v1/score, {ENDPOINT_ROWS:,} rows a request, one core", endpoint(port, flights), "")


def report(what: str, rate: float, more: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{what}: {rate:,.0f} rows/s{more}\n")
    sys.stdout.flush()


def runtime_alone(build: Path, flights: pl.DataFrame) -> float:
    """Return rows/s of the graph on arrays that are ready, best of three."""
    opened = open_build(build)
    predictor = Predictor(opened.model, opened.contract())
    columns = columns_of(flights.to_arrow(), opened.contract())
    slices = [
        {name: np.ascontiguousarray(values[start : start + 8_192]) for name, values in columns.items()}
        for start in range(0, len(flights), 8_192)
    ]
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        for part in slices:
            predictor.predict(part)
        spent.append(time.perf_counter() - start)
    return len(flights) / min(spent)


def scored(build: Path, source: Path, target: Path, sender: "multiprocessing.connection.Connection") -> None:
    """Score the file and tell rows/s and the peak memory of this process."""
    opened = open_build(build)
    start = time.perf_counter()
    rows = score_file(opened, source, target).rows
    rate = rows / (time.perf_counter() - start)
    sender.send((rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def endpoint(port: int, flights: pl.DataFrame) -> float:
    """Return rows/s of the endpoint for columns."""
    sink = pa.BufferOutputStream()
    table = flights.head(ENDPOINT_ROWS).to_arrow()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    body = sink.getvalue().to_pybytes()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        spent = []
        for _ in range(20):
            start = time.perf_counter()
            client.post("/v1/score", content=body, headers={"content-type": ARROW}).raise_for_status()
            spent.append(time.perf_counter() - start)
    return ENDPOINT_ROWS / min(spent)


if __name__ == "__main__":
    main()
