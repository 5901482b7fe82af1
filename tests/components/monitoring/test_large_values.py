"""Pictures are compared by what the kind says of them: brightness, width, height, size, and an embedding."""

import io
from datetime import date
from pathlib import Path

import msgspec
import polars as pl
import pytest
import yaml
from PIL import Image

from components.artefacts.build import open_build
from components.artefacts.errors import DataError
from components.artefacts.inference import inference_of
from components.catalog import find_kind
from components.data.results import Prepared, Split
from components.declaration.loading import parse_workload
from components.declaration.monitoring import Monitoring
from components.monitoring.drift import DriftReport, compare_windows
from components.monitoring.monitor import monitor_build
from components.settings import Home
from data_contracts.contract import column
from data_contracts.description.spec import ContractSpec
from data_contracts.digits import HandwrittenDigit, read_rows
from tests.conftest import REPOSITORY
from tests.kinds.image.example import make_example
from tests.kinds.laws import sealed

CONTRACT = HandwrittenDigit.spec()
SPLITS = ("train", "validation", "test", "monitor")
SAID = ("size", "brightness", "width", "height", "embedding")


def compared(reference: pl.DataFrame, window: pl.DataFrame, folder: Path, contract: ContractSpec) -> DriftReport:
    rule, image = Monitoring(windows_in_a_row=1), inference_of("image")
    return compare_windows(reference, {"2026-01": window}, contract, rule, folder, seed=0, inference=image)


def darker(picture: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).point(lambda value: value * 0.7).save(out, "PNG")
    return out.getvalue()


def wider(picture: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).resize((16, 8)).save(out, "PNG")
    return out.getvalue()


def turned(picture: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).rotate(90).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def digits() -> pl.DataFrame:
    return read_rows().collect().sample(fraction=1, shuffle=True, seed=2)


def test_pictures_that_became_darker_are_drift_and_others_are_not(digits: pl.DataFrame, tmp_path: Path) -> None:
    reference, window = digits.head(900), digits.tail(800)
    calm = compared(reference, window, tmp_path / "calm", CONTRACT)
    assert calm.drifted == ()
    assert {one.column for one in calm.windows[0].columns} == {f"picture.{name}" for name in SAID}
    dark = window.with_columns(pl.col("picture").map_elements(darker, return_dtype=pl.Binary))
    loud = compared(reference, dark, tmp_path / "loud", CONTRACT)
    assert "picture.brightness" in loud.drifted
    assert "picture.width" not in loud.drifted
    wide = window.with_columns(pl.col("picture").map_elements(wider, return_dtype=pl.Binary))
    assert "picture.width" in compared(reference, wide, tmp_path / "wide", CONTRACT).drifted
    assert "Drift in column 'picture.brightness'" in loud.windows[0].report.read_text()


def test_pictures_that_are_as_bright_but_turned_are_drift_by_their_embedding(
    digits: pl.DataFrame, tmp_path: Path
) -> None:
    reference, window = digits.head(900), digits.tail(300)
    lying = window.with_columns(pl.col("picture").map_elements(turned, return_dtype=pl.Binary))
    found = compared(reference, lying, tmp_path, CONTRACT)
    # How a file is packed may change with it.
    assert set(found.windows[0].moved) - {"picture.size"} == {"picture.embedding"}
    (embedded,) = [one for one in found.windows[0].columns if one.name == "picture.embedding"]
    assert (embedded.test, embedded.distance) == ("domain-classifier", "2 AUC - 1")
    assert embedded.effect > 0.5
    # Evidently draws no vectors; the table above its charts has them.
    page = found.windows[0].report.read_text()
    assert "<td>picture.embedding</td><td>domain-classifier, p = " in page
    assert "Drift in column 'picture.embedding'" not in page


def test_pictures_that_are_personal_are_not_compared(digits: pl.DataFrame, tmp_path: Path) -> None:
    fields = tuple(
        msgspec.structs.replace(field, roles=("pii",)) if field.name == "picture" else field
        for field in CONTRACT.fields
    )
    private = msgspec.structs.replace(CONTRACT, fields=fields)
    assert compared(digits.head(100), digits.tail(100), tmp_path, private).windows[0].columns == ()


def test_rows_without_their_pictures_are_refused(digits: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2026-01 has no column picture"):
        compared(digits, digits.drop("picture"), tmp_path, CONTRACT)


class DatedDigit(HandwrittenDigit):
    """A digit, and when it was written."""

    written: date = column("Day", roles=("time",), available="after")


def test_an_image_build_is_monitored_by_what_its_pictures_look_like(tmp_path: Path) -> None:
    example, folder, later = make_example(tmp_path), tmp_path / "build", tmp_path / "later.parquet"
    document = yaml.safe_load((REPOSITORY / "deployments" / "digits.yaml").read_text())
    months = {name: {"start": date(2026, n, 1), "end": date(2026, n, 28)} for n, name in enumerate(SPLITS, 1)}
    document |= {"contract": f"{__name__}:DatedDigit", "split": {"by": "time", **months}}
    document["monitoring"] = {"window": "week", "windows_in_a_row": 2}
    test = example.prepared.splits["test"].path
    rows, answers = pl.read_parquet(test), find_kind("image").predict_file(example.trained.best.parts, CONTRACT, test)
    folder.mkdir()
    rows.with_columns(pl.DataFrame(example.shape.numbers(answers))).write_parquet(folder / "reference.parquet")
    dark = rows.with_columns(pl.col("picture").map_elements(darker, return_dtype=pl.Binary))
    days = pl.Series("written", [date(2026, 4, 1), date(2026, 4, 8)] * (len(rows) // 2))
    dark.with_columns(days).write_parquet(later)
    prepared = Prepared(
        digest="d", path=tmp_path, splits={"monitor": Split(name="monitor", path=later, rows=len(rows), positives=None)}
    )
    build, home = open_build(sealed(example, "image", folder)), Home(root=tmp_path / "home")
    found = monitor_build(parse_workload(document, "digits.yaml"), DatedDigit.spec(), build, prepared, home)
    assert "picture.brightness" in found.drift.drifted
    assert "picture.width" not in found.drift.drifted
    assert [one.window for one in found.quality] == ["2026-03-30", "2026-04-06"]
