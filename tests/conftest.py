"""What every test may use: a small real sample of flights, a workload on it, and a home of its own."""

import functools
import logging
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from components.declaration.loading import parse_workload
from components.declaration.workload import Workload
from components.settings import Home
from components.training.processor_threads import let_waiting_threads_sleep
from data_contracts.flights import read_flights
from tests.s3 import BUCKET, serving_s3

# Before any test loads PyTorch, as a training does.
let_waiting_threads_sleep()

# A failure shows what was logged; hundreds of lines about an export to ONNX would bury it.
for name in ("onnx_ir", "onnxscript", "torch.onnx"):
    logging.getLogger(name).setLevel(logging.WARNING)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide the files among processes so that what is dear to make is made once."""
    from tests.scheduling import scheduler

    return scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest, so that no process begins with it when the others are at their end."""
    from tests.scheduling import put_longest_first

    put_longest_first(items)


@pytest.fixture(scope="session", autouse=True)
def one_list_of_operators() -> None:
    """Let PyTorch parse the sources of its ONNX operators once in a process instead of at each export: 0.4 s of 1.0."""
    if "components.training.onnx_export" in sys.modules:
        from torch.onnx._internal.exporter import _registration

        listed = functools.cache(_registration.onnxscript_apis.get_torchlib_ops)
        _registration.onnxscript_apis.get_torchlib_ops = listed


@pytest.fixture(scope="session")
def flights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth real flight of 2013 as Parquet: 28,065 rows over the whole year."""
    path = tmp_path_factory.mktemp("flights") / "flights.parquet"
    read_flights().collect().gather_every(12).write_parquet(path)
    return path


@pytest.fixture(scope="session")
def document(flights_file: Path) -> dict[str, Any]:
    """The flights workload as plain data, on the sample, with a small model and goals that a small model reaches."""
    real: dict[str, Any] = yaml.safe_load((REPOSITORY / "deployments" / "flights.yaml").read_text())
    goal = {
        **real["goal"],
        "statement": "Small sample: AUC at least 0.55, p95 under 500 ms, p99 under 900 ms, training under 1 USD, "
        "serving under 0.1 USD per 1,000 answers.",
        "threshold": 0.55,
        "latency_p95_ms": 500,
        "latency_p99_ms": 900,
        "training_usd": 1,
        "serving_usd_per_1000": 0.1,
    }
    model = {**real["model"], "epochs": 1, "hidden": [16]}
    gates = {**real.get("gates", {}), "calibration_error": 0.3, "baseline_margin": 0.1}
    return {**real, "goal": goal, "source": {"path": str(flights_file)}, "model": model, "gates": gates}


@pytest.fixture
def workload(document: dict[str, Any]) -> Workload:
    """The sample workload."""
    return parse_workload(document, where="sample.yaml")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path / "home")


@pytest.fixture
def write_workload(tmp_path: Path, document: dict[str, Any]) -> Any:
    """Write a changed copy of the sample workload and return its path: ``write_workload({"seed": 1})``."""

    def write(changes: dict[str, Any] | None = None, name: str = "sample.yaml") -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump({**document, **(changes or {})}, sort_keys=False))
        return path

    return write


@pytest.fixture
def flights_frame(flights_file: Path) -> pl.DataFrame:
    """The sample in memory."""
    return pl.read_parquet(flights_file)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    """An S3 stand-in, as the environment variables that name it."""
    with serving_s3() as environment:
        yield environment


@pytest.fixture
def s3(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in it, as SLIPWAY_STORE takes it; this process and those it begins can reach it."""
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"
