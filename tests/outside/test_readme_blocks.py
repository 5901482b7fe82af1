"""README's code blocks are run as they stand. CI runs the first itself; the one on schedules has a test of its own."""

import json
import re
import shlex
import shutil

import pytest

from tests.outside.conftest import REPOSITORY
from tests.outside.places import Place

pytestmark = pytest.mark.outside


def blocks(heading: str) -> list[str]:
    """Return the code blocks of a section of README."""
    section = (REPOSITORY / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def test_every_command_that_is_listed_exists_and_every_command_that_exists_is_listed(place: Place) -> None:
    (listed,) = [block for block in blocks("What you get") if "slipway run flights" in block]
    lines = [part.partition("#")[0].split()[1:] for part in re.split(r"(?=slipway )", listed) if part.strip()]
    commands = {words[0] for words in lines}
    told = place.run("slipway", "--help", expect=0).stdout
    assert set(re.findall(r"^  ([a-z]+)  ", told.split("Commands:")[1], re.MULTILINE)) == commands
    for name, *words in lines:
        usage = place.run("slipway", name, "--help", expect=0).stdout
        # As many arguments as it wants: names in capitals, or an example of one.
        wanted = [word for word in usage.split("\n")[0].split() if word.isupper() and not word.startswith("[")]
        assert len(words) >= len(wanted) - ("COMMAND" in wanted), (name, usage)


def test_the_request_is_answered_in_the_words_that_are_shown(place: Place) -> None:
    home = REPOSITORY / ".slipway"
    if not (home / "rollouts" / "flights.json").is_file():
        pytest.skip("no champion of flights in this checkout: run `make demo`")
    for room in ("builds", "rollouts", "keys"):
        shutil.copytree(home / room, place.home / room)
    request, shown = [block for block in blocks("What you get") if "predictions" in block or "curl" in block]
    port = place.serve("flights").url.rpartition(":")[2]
    answer = json.loads(place.run(*shlex.split(request.replace("8080", port)), expect=0).stdout)
    expected = json.loads(shown)
    assert answer.keys() == expected.keys()
    assert [row.keys() for row in answer["predictions"]] == [row.keys() for row in expected["predictions"]]
    assert 0 < answer["predictions"][0]["probability"] < 1
