"""Scoring a large file: ``python -m benchmarks.serving.bulk [--rows N]``.

Compared with ONNX Runtime alone, on one thread and on as many as there are cores, on arrays that are ready in memory;
with POST /v1/score of the same rows in requests of 20,000; and with single rows over POST /v1/predict. The file is
scored in a process of its own, whose peak memory is told. Rounds are interleaved and the best is taken, for everybody.
"""

import argparse
import multiprocessing
import multiprocessing.connection
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.serving.contenders import CONTENDERS
from benchmarks.serving.load import measure, started, write_script
from benchmarks.serving.model import Material, make_material
from benchmarks.serving.ports import free_port
from components.artefacts.build import open_build
from components.artefacts.inference import inference_of
from components.scoring.score import score_file
from data_contracts.flights import read_flights
from deployments.data_plane.tables.checks import check_table
from deployments.data_plane.tables.content_types import ARROW
from deployments.data_plane.tables.table_type import Distinct, Numbers, Vectors

ENDPOINT_ROWS = 20_000
# The column of the file that stands beside each answer.
KEY = "flight"
# ONNX Runtime alone may have the slices that suit it best.
SLICES = (2_048, 8_192, 65_536)


@dataclass
class Best:
    """Rows a second by the clock and by processor time, the best of the rounds, and the largest memory."""

    clock: float = 0.0
    processor: float = 0.0
    megabytes: float = 0.0

    def note(self, rows: int, seconds: float, processor_seconds: float, megabytes: float = 0.0) -> None:
        """Take a round in."""
        self.clock = max(self.clock, rows / seconds)
        self.processor = max(self.processor, rows / processor_seconds)
        self.megabytes = max(self.megabytes, megabytes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bulk-") as name:
        folder = Path(name)
        material = make_material(folder / "material")
        flights = (
            read_flights().select([field.name for field in open_build(material.build).contract().inputs]).collect()
        )
        source = folder / "in.parquet"
        copies = -(-given.rows // len(flights))
        pl.concat([flights.lazy()] * copies).head(given.rows).with_row_index(KEY).sink_parquet(source)
        alone, together, whole, answers = Best(), Best(), Best(), Best()
        cores = os.cpu_count() or 1
        for _ in range(given.rounds):
            runtime_alone(material.build, flights, 1, alone)
            runtime_alone(material.build, flights, cores, together)
            scored(material.build, source, folder / "answers.parquet", False, answers)
            scored(material.build, source, folder / "whole.parquet", True, whole)
        row_wise, columnar = endpoints(material, flights)
        lines = [
            "| what | rows/s | of ONNX Runtime on one thread | on every core | by processor time | peak MB |",
            "|---|--:|--:|--:|--:|--:|",
            line("ONNX Runtime alone, arrays ready, one thread", alone, alone, together),
            line(f"the same, {cores} threads", together, alone, together),
            line(f"score --key, {given.rows:,} rows of Parquet", answers, alone, together),
            line("score --key --with-inputs", whole, alone, together),
            f"| POST /v1/score, {ENDPOINT_ROWS:,} rows a request, one core | {columnar:,.0f} | | | | |",
            f"| POST /v1/predict, single rows, 256 connections, one core | {row_wise:,.0f} | | | | |",
            f"\nscore is {answers.clock / row_wise:.1f} times the row-wise endpoint",
        ]
    sys.stdout.write("\n".join(lines) + "\n")


def line(what: str, best: Best, alone: Best, together: Best) -> str:
    """Return one line of the table."""
    shares = (best.clock / alone.clock, best.clock / together.clock, best.processor / alone.processor)
    memory = f"{best.megabytes:.0f}" if best.megabytes else ""
    return f"| {what} | {best.clock:,.0f} | {' | '.join(f'{share:.0%}' for share in shares)} | {memory} |"


def runtime_alone(build: Path, flights: pl.DataFrame, threads: int, best: Best) -> None:
    """Let the graph answer arrays that are ready, cut into slices beforehand, on some threads."""
    opened = open_build(build)
    predictor = inference_of(opened.manifest.kind).open(opened.parts(), opened.contract())
    columns = {name: _tensor(values) for name, values in check_table(flights.to_arrow(), opened.contract()).items()}
    with ThreadPoolExecutor(threads) as pool:
        for size in SLICES:
            slices = [_cut(columns, start, size) for start in range(0, len(flights), size)]
            for _ in range(2):
                start, used = time.perf_counter(), time.process_time()
                list(pool.map(predictor.predict, slices))
                best.note(len(flights), time.perf_counter() - start, time.process_time() - used)


def _tensor(values: Numbers | Distinct | Vectors) -> NDArray[Any]:
    if isinstance(values, Distinct):
        return np.array([*values.values.to_pylist(), ""], dtype=object)[values.places]
    assert isinstance(values, Numbers), "flights have no vectors"
    return values.doubles


def _cut(columns: dict[str, NDArray[Any]], start: int, size: int) -> dict[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(values[start : start + size]) for name, values in columns.items()}


def scored(build: Path, source: Path, target: Path, with_inputs: bool, best: Best) -> None:
    """Score the file in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_score, args=(build, source, target, with_inputs, sender))
    process.start()
    best.note(*receiver.recv())
    process.join()


def _score(
    build: Path, source: Path, target: Path, with_inputs: bool, sender: "multiprocessing.connection.Connection"
) -> None:
    opened = open_build(build)
    start, used = time.perf_counter(), time.process_time()
    rows = score_file(opened, source, target, key=KEY, with_inputs=with_inputs).rows
    spent = time.perf_counter() - start, time.process_time() - used
    sender.send((rows, *spent, _peak_megabytes()))


def _peak_megabytes() -> float:
    """Return the most memory that this process held; ``ru_maxrss`` would begin with that of the process before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def endpoints(material: Material, flights: pl.DataFrame) -> tuple[float, float]:
    """Return rows/s of the endpoint for single rows and of the one for columns; the service has one core."""
    port = free_port()
    with started(CONTENDERS[1], material, port, core=0) as (server, _):
        script = write_script(CONTENDERS[1], material)
        row_wise = measure(CONTENDERS[1], server, port, 256, 4.0, script, core=1).requests_per_second
        return row_wise, _columnar(port, flights)


def _columnar(port: int, flights: pl.DataFrame) -> float:
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
