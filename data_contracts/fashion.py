"""Fashion-MNIST: 70,000 pictures of clothes, 28 by 28 grey pixels, ten classes (Xiao, Rasul & Vollgraf 2017).

As the Debian package ``dataset-fashion-mnist`` installs it.
"""

import gzip
import io
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from data_contracts.contract import Contract, column

FOLDER = Path("/usr/share/datasets/fashion-mnist")
Name = Literal["top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
# In the order of the numbers that the files have.
CLASSES = typing.get_args(Name)
# Pictures are turned into PNG so many at a time.
AT_ONCE = 10_000


class Garment(Contract):
    """A picture of one piece of clothing, white on black."""

    picture: bytes = column(
        "The garment, grey", media_type="image/*", max_bytes=100_000, media={"min_width": 8, "max_pixels": 1_000_000}
    )
    garment: Name = column("What it is", roles=("label",), available="after")


def read_rows() -> pl.LazyFrame:
    """Return every picture as PNG; FileNotFoundError says what to install."""
    if not FOLDER.is_dir():
        raise FileNotFoundError(f"{FOLDER} is not there: apt install dataset-fashion-mnist")
    return pl.concat(part for name in ("train", "t10k") for part in _read(FOLDER, name)).lazy()


def _read(folder: Path, name: str) -> Iterator[pl.DataFrame]:
    from PIL import Image

    pixels = _numbers(folder / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    places = _numbers(folder / f"{name}-labels-idx1-ubyte.gz", 8)
    for start in range(0, len(pixels), AT_ONCE):
        pictures = []
        for one in pixels[start : start + AT_ONCE]:
            out = io.BytesIO()
            Image.fromarray(one).save(out, "PNG")
            pictures.append(out.getvalue())
        named = [CLASSES[place] for place in places[start : start + AT_ONCE]]
        yield pl.DataFrame({"picture": pictures, "garment": named})


def _numbers(file: Path, header: int) -> np.ndarray:
    with gzip.open(file) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)
