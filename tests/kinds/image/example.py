"""Handwritten digits, learnt by a small network."""

import io
from pathlib import Path

from PIL import Image

from components.catalog import find_kind
from components.declaration.targets import shape_of
from components.settings import Settings
from components.training.part import TrainingPart
from data_contracts.digits import HandwrittenDigit, read_rows
from tests.components.kinds.small_digits import prepare_digits
from tests.kinds.laws import Example

MODEL = {"size": 8, "channels": 1, "width": 4, "stages": 2, "shift": 0, "epochs": 1, "batch_size": 64}
GOAL = {"metric": "accuracy", "unit": None, "training_usd": 1.0}


def make_example(folder: Path) -> Example:
    contract, workload = HandwrittenDigit.spec(), TrainingPart(kind="image", goal=GOAL, model=MODEL, seed=7)
    prepared = prepare_digits(folder / "prepared", read_rows().collect())
    (folder / "training").mkdir()
    trained = find_kind("image").train(
        prepared, workload, contract, folder / "training", Settings(threads=1), lambda *_: None
    )
    return Example(contract, shape_of(contract), prepared, trained, bodies())


def bodies() -> dict[str, bytes]:
    """Return a digit in every format that is read."""
    digit = Image.open(io.BytesIO(read_rows().first().collect()["picture"].item()))
    found = {}
    for name in ("png", "jpeg", "webp", "gif", "bmp", "tiff"):
        out = io.BytesIO()
        digit.save(out, name)
        found[f"image/{name}"] = out.getvalue()
    return found
