"""What a build was asked is compared with its reference: as it stands in the prediction log, without the pictures."""

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
import yaml
from PIL import Image

from components.artefacts.build import open_build
from components.artefacts.storage import write_atomically
from components.catalog import find_kind
from components.declaration.loading import parse_workload
from components.declaration.workload import Workload
from components.monitoring.live import monitor_log
from components.monitoring.monitor import Monitored
from components.settings import Home
from data_contracts.digits import HandwrittenDigit
from deployments.data_plane.load.batching import Answered
from deployments.data_plane.model import Model, load_model
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.prediction_log import PredictionLog
from tests.conftest import REPOSITORY
from tests.kinds.image.example import make_example
from tests.kinds.laws import sealed

CONTRACT = HandwrittenDigit.spec()


@dataclass(frozen=True)
class Served:
    model: Model
    rows: pl.DataFrame


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A build of digits, and rows that it was not measured on."""
    folder = tmp_path_factory.mktemp("live")
    example = make_example(folder)
    rows, parts = pl.read_parquet(example.prepared.splits["test"].path), example.trained.best.parts
    answers = find_kind("image").predict_file(parts, CONTRACT, example.prepared.splits["test"].path)
    (folder / "build").mkdir()
    rows.with_columns(pl.DataFrame(example.shape.numbers(answers))).write_parquet(folder / "build/reference.parquet")
    build = sealed(example, "image", folder / "build")
    model = load_model(build, check=False)
    whole = msgspec.structs.replace(model.serving, log_predictions=1.0)
    return Served(
        msgspec.structs.replace(model, serving=whole), pl.read_parquet(example.prepared.splits["validation"].path)
    )


def turned(picture: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).rotate(90).save(out, "PNG")
    return out.getvalue()


def found(served: Served, pictures: list[bytes], home: Home) -> Monitored:
    """Answer pictures as the service does, and look at its log."""
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "deployments" / "digits.yaml").read_text())
    workload: Workload = parse_workload(document, "digits.yaml")
    if pictures:
        predictor = served.model.predictor
        rows = [(picture,) for picture in pictures]
        answers = predictor.predict(predictor.tensors(rows))
        log = PredictionLog(Options(predictions=home.room("predictions", "digits")), Metrics())
        log.start()
        log.add(Answered(served.model, time.time(), ["r"], [len(rows)], rows, answers))
        log.stop()
    return monitor_log(workload, CONTRACT, open_build(served.model.build.path), home)


def test_pictures_as_those_of_the_reference_are_no_drift_and_turned_ones_are(served: Served, tmp_path: Path) -> None:
    pictures = served.rows["picture"].to_list()
    calm = found(served, pictures, Home(tmp_path / "calm"))
    assert calm.drift.drifted == ()
    columns = {one.column for one in calm.drift.windows[0].columns}
    assert {"picture.embedding", "picture.brightness", *served.model.serving.answer.columns} <= columns
    assert calm.drift.windows[0].rows == len(pictures)
    loud = found(served, [turned(one) for one in pictures], Home(tmp_path / "loud"))
    assert "picture.embedding" in loud.drift.drifted
    assert "picture.width" not in loud.drift.drifted
    assert Monitored.model_validate_json(loud.report.read_bytes()).drift.drifted == loud.drift.drifted


def test_a_build_that_was_asked_nothing_is_said_and_fails_nothing(served: Served, tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert "has answered nothing that is in" in found(served, [], home).drift.verdict
    # Neither is what another build was asked.
    part = home.room("predictions", "digits") / "2026-01-01" / "000000-1-1.parquet"
    write_atomically(part, b"")
    assert found(served, [], home).drift.windows == ()
