"""Pictures are compared by what the kind says of them: brightness, width, height, size."""

import io
from pathlib import Path

import msgspec
import polars as pl
import pytest
from PIL import Image

from components.artefacts.errors import DataError
from components.artefacts.inference import inference_of
from components.declaration.monitoring import Monitoring
from components.monitoring.drift import DriftReport, compare_windows
from data_contracts.description.spec import ContractSpec
from data_contracts.digits import HandwrittenDigit, read_rows

CONTRACT = HandwrittenDigit.spec()
SAID = ("size", "brightness", "width", "height")


def compared(reference: pl.DataFrame, window: pl.DataFrame, folder: Path, contract: ContractSpec) -> DriftReport:
    rule, image = Monitoring(windows_in_a_row=1), inference_of("image")
    return compare_windows(reference, {"2026-01": window}, contract, rule, folder, seed=0, inference=image)


def darker(picture: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).point(lambda value: value * 0.7).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def digits() -> pl.DataFrame:
    return read_rows().collect().sample(fraction=1, shuffle=True, seed=1)


def test_pictures_that_became_darker_are_drift_and_others_are_not(digits: pl.DataFrame, tmp_path: Path) -> None:
    reference, window = digits.head(900), digits.tail(800)
    calm = compared(reference, window, tmp_path / "calm", CONTRACT)
    assert calm.drifted == ()
    assert {one.column for one in calm.windows[0].columns} == {f"picture.{name}" for name in SAID}
    dark = window.with_columns(pl.col("picture").map_elements(darker, return_dtype=pl.Binary))
    loud = compared(reference, dark, tmp_path / "loud", CONTRACT)
    assert "picture.brightness" in loud.drifted
    assert "picture.width" not in loud.drifted
    assert "Drift in column 'picture.brightness'" in loud.windows[0].report.read_text()


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
