"""The how-tos are run as they stand: files are written, commands are run, in an empty folder, in order of the page.

What extends Slipway is run where it is developed: in the environment of the tests, which holds their servers, too.
"""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.outside.conftest import REPOSITORY
from tests.outside.places import Command, Place, end_all

pytestmark = pytest.mark.outside

PAGES = sorted((REPOSITORY / "docs" / "howto").glob("*.md"))
OPENING, BODY = r"^```(?P<language>\w+)(?: title=\"(?P<file>[^\"]+)\")?\n", r"(?P<body>.*?)^```"
BLOCK = re.compile(OPENING + BODY, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_howto_works_as_it_stands(page: Path, place: Place) -> None:
    commands = []
    for block in BLOCK.finditer(page.read_text()):
        if block["file"]:
            (place.folder / block["file"]).parent.mkdir(parents=True, exist_ok=True)
            (place.folder / block["file"]).write_text(block["body"])
        elif block["language"] == "console":
            commands += [line[2:] for line in block["body"].splitlines() if line.startswith("$ ")]
    assert commands, f"{page.name} runs nothing"
    if page.stem.startswith("new_"):
        place = replace(place, command=Command(Path(sys.executable).parent))
    try:
        for command in commands:
            place.run("bash", "-c", command, expect=0)
    finally:
        end_all(place)
