"""Answer with an image build: pictures in, probabilities out. Imports NumPy, ONNX Runtime and Pillow alone."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.artefacts.inference import (
    Answers,
    Batch,
    Description,
    Inference,
    InvalidRow,
    InvalidRows,
    Parts,
    Row,
    sizes,
)
from components.artefacts.onnx_session import open_session
from components.kinds.image.embedding import LENGTH, SIDE, embedding
from data_contracts.description.media import images
from data_contracts.description.spec import ContractSpec, FieldSpec

PIXELS = "pixels"
# Of the pixels in one call of the graph, which computes in 32 bits and in many channels.
CALL_BYTES = 4_000_000


def picture_field(contract: ContractSpec) -> FieldSpec:
    """Return the field that holds the picture."""
    return next(field for field in contract.inputs if field.dtype == "bytes")


def pixels_of(data: bytes, field: FieldSpec, channels: int, size: int) -> NDArray[np.uint8]:
    """Return a picture as uint8 [channels, size, size], upright and stretched to a square; ValueError says why not."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(images.read(data, field))
    # Transparent is white, as on a page.
    if "A" in picture.mode or "transparency" in picture.info:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, dtype=np.uint8).reshape(size, size, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


class Look(NamedTuple):
    """Brightness (0 black, 1 white), width, height and embedding of a picture as it was stored; NaN for none."""

    brightness: float = np.nan
    width: float = np.nan
    height: float = np.nan
    embedding: NDArray[np.float32] = np.full(LENGTH, np.nan, np.float32)


def look_of(data: bytes | None, field: FieldSpec) -> Look:
    """Return what a picture looks like; nothing is known of one that is missing or cannot be read."""
    from PIL import Image

    try:
        picture = images.read(data, field) if data is not None else None
    except ValueError:
        picture = None
    if picture is None:
        return Look()
    grey = picture.convert("L")
    small = grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    bright = float(np.asarray(grey).mean() / 255)
    return Look(bright, float(picture.width), float(picture.height), embedding(np.asarray(small)))


class ImagePredictor:
    """A loaded graph, which takes pixels as uint8 [rows, channels, size, size] and has the normalisation inside."""

    inputs = (PIXELS,)

    def __init__(self, parts: Parts, contract: ContractSpec, threads: int, *, optimise: bool) -> None:
        self._session = open_session(parts.model, threads, optimise=optimise)
        (taken,) = self._session.get_inputs()
        _, self._channels, self._size, _ = taken.shape
        self._outputs = [self._session.get_outputs()[0].name]
        self._field = picture_field(contract)
        self._place = contract.inputs.index(self._field)

    def tensors(self, rows: Sequence[Row]) -> Batch:
        return {PIXELS: self._pixels([row[self._place] for row in rows])}

    def tensors_of_columns(self, columns: Mapping[str, NDArray[Any]]) -> Batch:
        return {PIXELS: self._pixels(columns[self._field.name].tolist())}

    def predict(self, batch: Batch) -> Answers:
        pixels = batch[PIXELS]
        # As many in each call, whatever is asked: with another number an answer may differ in its last bit.
        size = max(1, CALL_BYTES // (self._channels * self._size**2))
        # Without rows one call is made as well: it knows how many columns an answer has.
        starts = range(0, max(1, len(pixels)), size)
        parts = [self._session.run(self._outputs, {PIXELS: pixels[at : at + size]})[0] for at in starts]
        answers: NDArray[np.float32] = np.concatenate(parts)
        return answers[:, 0] if answers.shape[1] == 1 else answers

    def _pixels(self, pictures: Sequence[bytes]) -> NDArray[np.uint8]:
        pixels = np.empty((len(pictures), self._channels, self._size, self._size), np.uint8)
        unread = list[InvalidRow]()
        for row, picture in enumerate(pictures):
            try:
                pixels[row] = pixels_of(picture, self._field, self._channels, self._size)
            except ValueError as error:
                unread.append(InvalidRow(row, self._field.name, str(error)))
        if unread:
            raise InvalidRows(unread, {PIXELS: np.delete(pixels, [one.row for one in unread], axis=0)})
        return pixels


class ImageInference(Inference):
    """One graph from pixels to the answer."""

    media_types = tuple(images.FORMATS)
    packages = ("onnxruntime", "pillow")

    def open(self, parts: Parts, contract: ContractSpec, threads: int = 1, *, optimise: bool = True) -> ImagePredictor:
        return ImagePredictor(parts, contract, threads, optimise=optimise)

    def read_body(self, body: bytes, media_type: str, contract: ContractSpec) -> list[dict[str, Any]]:
        return [{picture_field(contract).name: base64.b64encode(body).decode()}]

    def unpacked_bytes(self, contract: ContractSpec) -> int:
        # Red, green, blue and transparent.
        return 4 * images.most_pixels(picture_field(contract))

    def describe(self, field: FieldSpec, values: Sequence[Any]) -> Description:
        looks = [look_of(value, field) for value in values]
        return {
            "size": sizes(field, values),
            "brightness": np.array([look.brightness for look in looks], np.float64),
            "width": np.array([look.width for look in looks], np.float64),
            "height": np.array([look.height for look in looks], np.float64),
            "embedding": np.array([look.embedding for look in looks], np.float32).reshape(len(looks), LENGTH),
        }


INFERENCE = ImageInference()
