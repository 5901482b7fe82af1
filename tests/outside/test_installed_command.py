"""The wheel in an empty environment, from a folder that is not the checkout: a build, a promotion, an answer."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.outside.places import Place

pytestmark = pytest.mark.outside


def test_a_champion_that_was_built_elsewhere_answers_from_its_new_folder(champion: Place) -> None:
    served = champion.serve("shop.yaml")
    row = {"at": "2024-08-31T20:09:20", "amount": 19.26, "pieces": 7, "city": "Oslo", "kind": "b", "flag": False}
    request = urllib.request.Request(
        f"{served.url}/v1/predict", json.dumps(row).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert 0 < json.load(answer)["predictions"][0]["probability"] < 1


def said(place: Place, *words: str | Path) -> Any:
    """Run a command of Slipway with --json, which must end well, and return what it said."""
    return json.loads(place.run("slipway", *words, "--json", expect=0).stdout)


def test_everything_that_can_be_done_with_a_build_is_done_without_a_checkout(replaced: Place, tmp_path: Path) -> None:
    # The home was made in another folder, which this test does not see: nothing may look there.
    home = replaced.home
    kept = json.loads((home / "rollouts" / "shop.json").read_bytes())
    champion, before = kept["champion"], kept["previous"]
    assert said(replaced, "rollback", "shop.yaml")["champion"] == before
    assert said(replaced, "status", "shop.yaml")["champion"] == before
    scored = said(replaced, "score", "shop.yaml", "data.csv", "scored.csv")
    rows = len((replaced.folder / "data.csv").read_text().splitlines()) - 1
    assert (scored["build_id"], scored["rows"], scored["refused"]) == (before, rows, 0)
    checked = said(replaced, "check", "shop.yaml")
    assert (checked["build"], checked["live"]["max_difference"] < 1e-5) == (before, True)

    exported = said(replaced, "export", champion, tmp_path / "shop.bento")
    assert exported["build"] == champion
    elsewhere = Place(replaced.command, replaced.folder, tmp_path / "elsewhere")
    taken = said(elsewhere, "import", tmp_path / "shop.bento", "--public-key", home / "keys" / "signing.pub")
    assert (taken["build_id"], taken["gates_passed"]) == (champion, True)

    again = said(replaced, "reproduce", champion)
    assert (again["verdict"], again["again"]) == ("identical", champion), again["differences"]
    assert not [name for name in said(replaced, "doctor") if name["state"] == "failed"]


def test_another_judgement_of_a_build_is_kept_beside_the_first_in_a_home_that_was_copied(
    champion: Place, built_shop: Path
) -> None:
    (first,) = (path.name for path in (champion.home / "builds").iterdir())
    file = champion.folder / "shop.yaml"
    file.write_text(file.read_text().replace("slice_gap: 1,", "slice_gap: 0.9,"))
    # It answers alike, so it is the same build; its gates were others.
    built = said(champion, "build", "shop.yaml")
    assert built["registered"]["build_id"] == first
    # The stages that did not run again took what lies in this home, not what lies where it was copied from.
    assert (champion.home / "prepared" / built["prepared"]["stored"]["name"]).is_dir()
    assert str(built_shop) not in json.dumps({name: one for name, one in built.items() if name != "registered"})
    states = {one["stage"]: one["state"] for one in said(champion, "status", "shop.yaml")["stages"]}
    assert (states["gate"], states["package"]) == ("ran", "ran")
    assert {path.name for path in (champion.home / "builds").iterdir()} == {first, f"{first}.2"}
    gates = [(champion.home / "builds" / name / "gates.json").read_text() for name in (first, f"{first}.2")]
    assert gates[0] != gates[1]
    champion.run("slipway", "promote", "shop.yaml", expect=0)
    assert json.loads((champion.home / "rollouts" / "shop.json").read_bytes())["champion_path"].endswith(f"{first}.2")
