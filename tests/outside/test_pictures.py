"""Pictures, as a user brings them: a folder for each class, an empty folder, the installed command, other tools."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.outside.conftest import CASES
from tests.outside.places import Place, one_clear_line
from tests.outside.test_standard_clients import curl

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


@pytest.fixture
def marks(place: Place) -> Place:
    """The place with the workload marks.yaml and its pictures."""
    shutil.copytree(CASES / "marks", place.folder, dirs_exist_ok=True)
    place.run(place.command.path("python"), "-c", WRITE, expect=0)
    return place


def test_a_folder_for_each_class_becomes_a_service_that_other_tools_ask(marks: Place, triton: Path) -> None:
    broken = marks.folder / "pictures" / "3" / "broken.png"
    broken.write_bytes(b"no picture")
    refused = one_clear_line(marks.run("slipway", "build", "marks.yaml"))
    assert "scan: cannot be read as a picture (1)" in refused
    broken.unlink()
    marks.run("slipway", "build", "marks.yaml", expect=0)
    marks.run("slipway", "promote", "marks.yaml", expect=0)
    served = marks.serve("marks.yaml", "--grpc-port", "0")
    files = [sorted((marks.folder / "pictures" / str(mark)).glob("*.png"))[0] for mark in range(10)]
    answered = _by_curl(marks, f"{served.url}/v1/predict", files)
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


def _by_curl(place: Place, predict: str, files: list[Path]) -> list[str]:
    """Return the marks of pictures sent as JSON; each alone, as its bytes, gets the same answer."""
    rows = place.folder / "rows.json"
    rows.write_text(json.dumps([{"scan": base64.b64encode(file.read_bytes()).decode()} for file in files]))
    status, body = curl(place, predict, "-H", "Content-Type: application/json", "--data-binary", f"@{rows}")
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
