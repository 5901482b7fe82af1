"""Widespread claims about serving models in Python, each measured here: ``python -m benchmarks.claims [WORD ...]``.

With words, only the claims that have one of them in their titles. Times are CPU times of one thread, the best of
several repetitions, so that neighbours disturb little. docs/claims.md quotes a run.
"""

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import orjson
import polars as pl
import pyarrow as pa
import torch
import xgboost
from pydantic import TypeAdapter
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.serving.model import Material, make_material
from benchmarks.serving.peers.material import FlightRow
from components.artefacts.build import open_build
from components.compression.quantisation import half, int8_dynamic, int8_static
from components.kinds.tabular.inference import TabularPredictor
from data_contracts.flights import read_flights
from deployments.data_plane.formats.answers import Answers
from deployments.data_plane.load.batching import Batcher
from deployments.data_plane.model import Model, load_model
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.prediction_log import PredictionLog

Section = Iterator[tuple[str, str]]


def main(words: list[str]) -> None:
    """Measure every claim, or those with one of these words, and print a table for each."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="slipway-claims-") as folder:
        material = make_material(Path(folder))
        model = load_model(material.build)
        for title, lines in (
            ("JSON parsing is 10 times slower in Python (one row of 18 fields)", parsing(material, model)),
            ("A batching decision takes 2 to 5 ms", batching_decisions(model)),
            ("Serialising arrays takes 3 to 8 ms", serialising()),
            ("Garbage collection causes tail spikes", collecting(material, model)),
            ("The model dominates, or the scaffolding does", shares(material, model)),
            ("Batching multiplies throughput", batches(material, model)),
            ("int8 costs no accuracy", quantised(material, Path(folder))),
            ("Classic ML wins on tables at a tenth of the cost", classic()),
            ("torch.compile is a free speed-up", compiled(material)),
        ):
            if words and not any(word in title for word in words):
                continue
            sys.stdout.write(f"\n### {title}\n| what | measured |\n|---|---|\n")
            for what, measured in lines:
                sys.stdout.write(f"| {what} | {measured} |\n")
            sys.stdout.flush()


def best(work: Callable[[], Any], repetitions: int = 7, seconds: float = 0.05) -> float:
    """Return the microseconds of one call: the best mean of several runs."""
    work()
    count = 1
    while (spent := _timed(work, count)) < seconds / 4:
        count *= 4
    count = max(1, int(count * seconds / spent))
    return min(_timed(work, count) for _ in range(repetitions)) / count * 1e6


def _timed(work: Callable[[], Any], count: int) -> float:
    start = time.thread_time()
    for _ in range(count):
        work()
    return time.thread_time() - start


def parsing(material: Material, model: Model) -> Section:
    row = material.row()
    adapter = TypeAdapter(FlightRow)
    for name, work in (
        ("json.loads, nothing checked", lambda: json.loads(row)),
        ("orjson.loads, nothing checked", lambda: orjson.loads(row)),
        ("msgspec to a dict, nothing checked", lambda: msgspec.json.decode(row)),
        ("msgspec from the contract, everything checked", lambda: model.decoder.decode(row)),
        ("pydantic, everything checked", lambda: adapter.validate_json(row)),
        ("json.loads, then pydantic", lambda: FlightRow(**json.loads(row))),
    ):
        yield name, f"{best(work):.2f} us"


class Null:
    """A model that does nothing."""

    def tensors(self, rows: list[Any]) -> dict[str, Any]:
        return {}

    def predict(self, columns: dict[str, Any]) -> Any:
        return ZEROS


ZEROS = np.zeros(64, dtype=np.float32)


def batching_decisions(model: Model) -> Section:
    """Time 64 requests through the queue with a model that does nothing."""
    null = msgspec.structs.replace(model, predictor=Null())

    async def run(rounds: int) -> float:
        with ThreadPoolExecutor(1) as large:
            queue = Batcher(null, Metrics(), Options(batch_rows=64), None, large, large)
            start = time.thread_time()
            for _ in range(rounds):
                now = time.perf_counter()
                await asyncio.gather(*[queue.submit([()], "id", now, now + 10) for _ in range(64)])
            return (time.thread_time() - start) / rounds / 64 * 1e6

    yield (
        "a request through the queue, 64 at once, null model",
        f"{min(asyncio.run(run(200)) for _ in range(5)):.1f} us",
    )


def serialising() -> Section:
    for count in (1, 1_000, 100_000):
        numbers = np.random.default_rng(1).random(count)
        values = numbers.tolist()
        yield f"{count:,} floats, json.dumps", f"{best(lambda v=values: json.dumps(v)):,.1f} us"  # type: ignore[misc]
        yield f"{count:,} floats, msgspec", f"{best(lambda v=values: msgspec.json.encode(v)):,.1f} us"  # type: ignore[misc]
        yield f"{count:,} floats, Arrow stream", f"{best(lambda n=numbers: _arrow(n)):,.1f} us"  # type: ignore[misc]


def _arrow(numbers: Any) -> Any:
    sink = pa.BufferOutputStream()
    table = pa.table({"x": numbers})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


# So many that one in a thousand is at least one.
ROUNDS = 1_000
# Objects that may be new before the collector looks; None leaves it alone, 0 switches it off.
COLLECTORS = {"default": None, "default, frozen": None, "frozen, 50,000 objects": 50_000, "off": 0}


@contextmanager
def _collector(mode: str) -> Iterator[None]:
    usual = gc.get_threshold()
    gc.collect()
    if "frozen" in mode:
        gc.freeze()
    if (objects := COLLECTORS[mode]) is not None:
        gc.set_threshold(objects)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def collecting(material: Material, model: Model) -> Section:
    """Time ``ROUNDS`` times 1,024 requests at once, each a task, with a prediction log and a million objects alive."""
    state = [{"n": number} for number in range(1_000_000)]
    row = material.row()
    answers = Answers(model)

    async def request(queue: Batcher) -> bytes:
        now = time.perf_counter()
        return answers.encode(await queue.submit(model.decoder.decode(row), "id", now, now + 10), "id")

    async def run(folder: Path) -> list[float]:
        options = Options(predictions=folder)
        log = PredictionLog(options, Metrics())
        log.start()
        spent = []
        with ThreadPoolExecutor(1) as large:
            queue = Batcher(model, Metrics(), options, log.add, large, large)
            for _ in range(ROUNDS):
                start = time.thread_time()
                await asyncio.gather(*[request(queue) for _ in range(1_024)])
                spent.append(time.thread_time() - start)
        log.stop()
        return spent

    for mode in COLLECTORS:
        with _collector(mode), tempfile.TemporaryDirectory(prefix="slipway-claims-") as folder:
            spent = asyncio.run(run(Path(folder)))
        p50, p999, top = np.quantile(spent, [0.5, 0.999, 1.0]) * 1e3
        yield (
            f"{mode}, {len(state):,} objects alive",
            f"{sum(spent) / len(spent) / 1_024 * 1e6:.1f} us a request; 1,024 at once: p50 {p50:.2f} ms, "
            f"p99.9 {p999:.2f} ms, worst {top:.1f} ms",
        )


def stages(material: Material, model: Model, rows: int) -> dict[str, float]:
    """Return microseconds by stage of a request with some rows, without HTTP."""
    body = b"[" + b",".join([material.row()] * rows) + b"]" if rows > 1 else material.row()
    decoded = model.decoder.decode(body)
    columns = model.predictor.tensors(decoded)
    probabilities = model.predictor.predict(columns).tolist()
    answers = Answers(model)
    return {
        "parse and validate": best(lambda: model.decoder.decode(body)),
        "columns": best(lambda: model.predictor.tensors(decoded)),
        "model": best(lambda: model.predictor.predict(columns)),
        "encode": best(lambda: answers.encode(probabilities, "id")),
    }


def shares(material: Material, model: Model) -> Section:
    for rows in (1, 32, 256):
        budget = stages(material, model, rows)
        whole = sum(budget.values())
        parts = ", ".join(f"{name} {value:.1f} us" for name, value in budget.items())
        yield (
            f"{rows} rows",
            f"{parts}: the model is {budget['model'] / whole:.0%} of {whole:.0f} us without HTTP, a model "
            f"that does nothing would leave {whole - budget['model']:.0f} us",
        )
    for width in (64, 256, 1_024, 4_096):
        network = torch.nn.Sequential(
            torch.nn.Linear(64, width),
            torch.nn.ReLU(),
            torch.nn.Linear(width, width),
            torch.nn.ReLU(),
            torch.nn.Linear(width, 1),
        )
        row = torch.zeros(1, 64)
        with torch.inference_mode():
            yield f"network 64-{width}-{width}-1, one row, PyTorch", f"{best(lambda n=network, r=row: n(r)):,.0f} us"  # type: ignore[misc]


def batches(material: Material, model: Model) -> Section:
    (row,) = model.decoder.decode(material.row())
    for rows in (1, 8, 32, 128, 1_024, 8_192):
        columns = model.predictor.tensors([row] * rows)
        spent = best(lambda c=columns: model.predictor.predict(c))  # type: ignore[misc]
        yield f"{rows:,} rows in a call", f"{spent:,.0f} us, {rows / spent * 1e6:,.0f} rows/s"


def _hold_out() -> tuple[pl.DataFrame, Any]:
    frame = read_flights().filter(pl.col("late").is_not_null()).collect().sample(90_000, seed=1).tail(30_000)
    return frame, frame["late"].to_numpy()


def quantised(material: Material, folder: Path) -> Section:
    build = open_build(material.build)
    frame, late = _hold_out()
    rows = frame.select([field.name for field in build.contract().inputs]).rows()
    exact = TabularPredictor(build.parts().model, build.contract())
    seen = [exact.tensors(rows[start : start + 1_000]) for start in range(0, 5_000, 1_000)]
    # The build itself narrows the nodes whose names begin so; this graph was written without.
    named = folder / "named.onnx"
    named.write_bytes(_named(onnx.load_model_from_string(build.read("model.onnx"))).SerializeToString())
    reference = None
    for name, path in (
        ("float32", build.path / "model.onnx"),
        ("int8, dynamic", int8_dynamic(named, folder / "dynamic.onnx")),
        ("int8, static, scaled on 5,000 rows", int8_static(named, folder / "static.onnx", seen)),
        ("fp16", half(named, folder / "half.onnx")),
    ):
        predictor = TabularPredictor(path, build.contract())
        columns = predictor.tensors(rows)
        answers = predictor.predict(columns).astype(np.float64)
        reference = answers if reference is None else reference
        one = {key: value[:1] for key, value in columns.items()}
        flips = [int(((answers >= 0.5) != (reference >= 0.5))[late == label].sum()) for label in (True, False)]
        yield (
            name,
            f"AUC {roc_auc_score(late, answers):.5f}, log loss {log_loss(late, answers):.5f}, largest difference "
            f"{np.abs(answers - reference).max():.1e}, decisions turned: "
            f"{flips[0]} of the late, {flips[1]} of the others; "
            f"1 row {best(lambda p=predictor, o=one: p.predict(o)):.0f} us, "  # type: ignore[misc]
            f"{len(rows):,} rows {best(lambda p=predictor, c=columns: p.predict(c), 3) / 1e3:.0f} ms, "  # type: ignore[misc]
            f"{path.stat().st_size / 1024:.0f} KB",
        )


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with names as an exported model has them: what stands behind the recipe is the model."""
    for node in model.graph.node:
        if node.op_type in ("Gemm", "Relu"):
            node.name = f"model/{node.output[0]}"
    return model


def classic() -> Section:
    """Train both on the same 60,000 rows and judge them on 30,000 others."""
    with tempfile.TemporaryDirectory(prefix="slipway-claims-") as folder:
        start = time.process_time()
        material = make_material(Path(folder) / "network")
        network_seconds = time.process_time() - start
        recipe, network = material.recipe(), material.network()
    frame, late = _hold_out()
    train = read_flights().filter(pl.col("late").is_not_null()).collect().sample(90_000, seed=1).head(60_000)
    names = [*recipe.values, *(code.name for code in recipe.codes)]
    inputs, held = (recipe.apply(part.lazy()).collect().select(names).to_numpy() for part in (train, frame))
    start = time.process_time()
    trees = xgboost.XGBClassifier(n_estimators=200, max_depth=6, learning_rate=0.1, n_jobs=1)
    trees.fit(inputs, train["late"].to_numpy())
    trees_seconds = time.process_time() - start
    values = len(recipe.values)
    with torch.inference_mode():
        answers = network(torch.from_numpy(held[:, :values]).float(), torch.from_numpy(held[:, values:]).long())
    yield (
        "network, one pass (with reading, recipe and export)",
        f"AUC {roc_auc_score(late, answers.numpy()):.4f}, {network_seconds:.1f} CPU s",
    )
    yield (
        "XGBoost, 200 trees (training alone)",
        f"AUC {roc_auc_score(late, trees.predict_proba(held)[:, 1]):.4f}, {trees_seconds:.1f} CPU s",
    )


def compiled(material: Material) -> Section:
    network = material.network()
    recipe = material.recipe()
    for rows in (1, 256):
        values, codes = torch.zeros(rows, len(recipe.values)), torch.zeros(rows, len(recipe.codes), dtype=torch.long)
        fast = torch.compile(network)
        with torch.inference_mode():
            start = time.perf_counter()
            fast(values, codes)
            first = time.perf_counter() - start
            eager, quick = (
                best(lambda v=values, c=codes: network(v, c)),
                best(lambda f=fast, v=values, c=codes: f(v, c)),
            )  # type: ignore[misc]
        yield f"{rows} rows", f"eager {eager:.0f} us, compiled {quick:.0f} us, first call {first:.1f} s"


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(3)
    main(sys.argv[1:])
