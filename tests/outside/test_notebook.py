"""The guide for notebooks is executed as it stands, by Jupyter's own command, in an empty folder."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.outside.conftest import REPOSITORY
from tests.outside.places import Command, Place, end_all

pytestmark = pytest.mark.outside


def test_the_notebook_runs_from_its_first_cell_to_its_last(place: Place) -> None:
    # Jupyter is in the environment of the tests.
    place = replace(place, command=Command(Path(sys.executable).parent))
    shutil.copy(REPOSITORY / "docs" / "notebook.ipynb", place.folder)
    try:
        place.run("jupyter-execute", "notebook.ipynb", "--inplace", expect=0)
    finally:
        end_all(place)
    cells = json.loads((place.folder / "notebook.ipynb").read_text())["cells"]
    shown = [output["data"] for cell in cells for output in cell.get("outputs", ()) if "data" in output]
    # The run is a page, with its verdict first, and the file of answers is a frame with a row for each row asked.
    assert any("wines: promoted." in "".join(data.get("text/html", ())) for data in shown)
    assert "shape: (5, " in "".join(shown[-1]["text/plain"])
