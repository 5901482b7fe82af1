"""Handwritten digits: 1,797 pictures of 8 by 8 grey pixels that come with scikit-learn (Alpaydin & Kaynak 1998)."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from data_contracts.contract import Contract, column

EXAMPLE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAARUlEQVR4nAXBAQ2AIAAAsI8C0IAIRCGCUYxgBBoYwc0CDAu4WYARwR+1HxH02WZFmdm5"
    "C9L4PATpJhGsIpaF/NZ2ga03/KU4EfgAGoe+AAAAAElFTkSuQmCC"
)
Digit = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]


class HandwrittenDigit(Contract):
    """A picture of one handwritten digit."""

    picture: bytes = column(
        "The digit, grey",
        media_type="image/*",
        max_bytes=100_000,
        media={"min_width": 8, "max_pixels": 1_000_000},
        example=EXAMPLE,
    )
    digit: Digit = column("Which digit it is", roles=("label",), available="after")


def read_rows() -> pl.LazyFrame:
    """Return every digit, its picture as PNG."""
    rows = list(_pictures())
    return pl.LazyFrame({"digit": [digit for digit, _ in rows], "picture": [picture for _, picture in rows]})


def write_folders(folder: Path) -> None:
    """Write every digit as a file in a folder for each class, ``<digit>/<number>.png``."""
    for number, (digit, picture) in enumerate(_pictures()):
        path = folder / digit / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)


def _pictures() -> Iterator[tuple[str, bytes]]:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for pixels, digit in zip(digits.images, digits.target, strict=True):
        out = io.BytesIO()
        # Values are from 0 to 16.
        Image.fromarray((pixels * 15.9).astype("uint8")).save(out, "PNG")
        yield str(digit), out.getvalue()
