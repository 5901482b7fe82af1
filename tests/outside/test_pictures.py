"""Pictures, as a user brings them: a folder for each class, an empty folder, the installed command, other tools."""

import base64
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.outside.conftest import CASES
from tests.outside.places import Place, one_clear_line
from tests.outside.test_standard_clients import JSON, curl

pytestmark = pytest.mark.outside

CLIENT = Path(__file__).parent / "triton_pictures.py"
# What a user runs to have the pictures of scikit-learn as files.
WRITE = """
import pathlib, PIL.Image, sklearn.datasets
digits = sklearn.datasets.load_digits()
for number, (pixels, mark) in enumerate(zip(digits.images, digits.target)):
    file = pathlib.Path("pictures", str(mark), f"{number:04d}.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray((pixels * 15.9).astype("uint8")).save(file)
"""


def write_marks(place: Place) -> None:
    """Write the workload marks.yaml and its pictures."""
    shutil.copytree(CASES / "marks", place.folder, dirs_exist_ok=True)
    place.run(place.command.path("python"), "-c", WRITE, expect=0)


def test_a_folder_for_each_class_becomes_a_service_that_other_tools_ask(place: Place, triton: Path) -> None:
    write_marks(place)
    broken = place.folder / "pictures" / "3" / "broken.png"
    broken.write_bytes(b"no picture")
    refused = one_clear_line(place.run("slipway", "build", "marks.yaml"))
    assert "scan: cannot be read as a picture (1)" in refused
    broken.unlink()
    place.run("slipway", "build", "marks.yaml", expect=0)
    place.run("slipway", "promote", "marks.yaml", expect=0)
    served = place.serve("marks.yaml", "--grpc-port", "0")
    files = [sorted((place.folder / "pictures" / str(mark)).glob("*.png"))[0] for mark in range(10)]
    answered = _by_curl(place, f"{served.url}/v1/predict", files)
    # A small network that saw them three times is right more often than not.
    assert sum(given == file.parent.name for given, file in zip(answered, files, strict=True)) >= 6
    addresses = [served.url.removeprefix("http://"), served.said["grpc"]]
    done = subprocess.run(
        [triton, CLIENT, *addresses, "marks", *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    for way, status in (("http, bytes", "422"), ("http, JSON", "422"), ("grpc", "StatusCode.INVALID_ARGUMENT")):
        assert found[way] == answered, way
        code, message = found[f"{way}, one cut"]
        assert (code, message) == (status, "field scan: row 10: cannot be read as a picture"), way
    # Somebody holds the scanner the other way round.
    lying = place.folder / "lying.json"
    lying.write_text(json.dumps([_row(_turned(file)) for file in sorted(place.folder.glob("pictures/*/*.png"))[::9]]))
    status, body = curl(place, f"{served.url}/v1/predict", *JSON, "--data-binary", f"@{lying}")
    assert status == 200, body
    # It writes what is left of its prediction log.
    served.process.terminate()
    served.process.wait(60)
    drift = json.loads(place.run("slipway", "monitor", "marks.yaml", "--live", "--json", expect=0).stdout)["drift"]
    assert "scan.embedding" in drift["drifted"]
    (window,) = drift["windows"]
    assert window["rows"] >= 200 + 4 * len(files)
    moved = {one["column"]: one["moved"] for one in window["columns"]}
    assert not moved["scan.width"]


def _row(picture: bytes) -> dict[str, str]:
    return {"scan": base64.b64encode(picture).decode()}


def _turned(file: Path) -> bytes:
    out = io.BytesIO()
    Image.open(file).rotate(90).save(out, "PNG")
    return out.getvalue()


def _by_curl(place: Place, predict: str, files: list[Path]) -> list[str]:
    """Return the marks of pictures sent as JSON; each alone, as its bytes, gets the same answer."""
    rows = place.folder / "rows.json"
    rows.write_text(json.dumps([_row(file.read_bytes()) for file in files]))
    status, body = curl(place, predict, *JSON, "--data-binary", f"@{rows}")
    assert status == 200, body
    together = [one["mark"] for one in json.loads(body)["predictions"]]
    png, cut = ["-H", "Content-Type: image/png"], place.folder / "cut.png"
    for file, mark in zip(files, together, strict=True):
        status, body = curl(place, predict, *png, "--data-binary", f"@{file}")
        assert (status, [one["mark"] for one in json.loads(body)["predictions"]]) == (200, [mark]), body
    cut.write_bytes(files[0].read_bytes()[:60])
    status, body = curl(place, predict, *png, "--data-binary", f"@{cut}")
    assert (status, json.loads(body)["error"]["reason"]) == (422, "cannot be read as a picture")
    status, body = curl(place, predict, "-H", "Content-Type: image/heic", "--data-binary", f"@{files[0]}")
    assert (status, "image/png" in body) == (415, True), body
    return together
