"""The rollout document: promotion, rollback, history."""

import shutil
from pathlib import Path

import pytest

from components.artefacts.errors import BuildError
from components.artefacts.rollout import (
    Rollout,
    folder_of,
    place_of,
    promoted,
    read_rollout,
    rolled_back,
    write_rollout,
)


def test_a_rollback_exchanges_champion_and_predecessor_and_can_itself_be_undone() -> None:
    first = promoted(Rollout(workload="w"), "w-1", Path("/b/1"), "first")
    second = promoted(first, "w-2", Path("/b/2"), "better")
    back = rolled_back(second, "worse after all")
    assert (back.champion, back.champion_path, back.previous) == ("w-1", "/b/1", "w-2")
    assert rolled_back(back, "no, it was fine").champion == "w-2"
    assert [change.action for change in back.history] == ["promote", "promote", "rollback"]
    assert back.history[-1].replaced == "w-2"


def test_promoting_the_champion_again_changes_nothing() -> None:
    first = promoted(Rollout(workload="w"), "w-1", Path("/b/1"), "first")
    assert promoted(first, "w-1", Path("/b/1"), "again") == first


def test_a_champion_that_was_judged_again_serves_from_there_and_the_way_back_stays() -> None:
    second = promoted(
        promoted(Rollout(workload="w"), "w-1", "../builds/w-1", "first"), "w-2", "../builds/w-2", "better"
    )
    again = promoted(second, "w-2", "../builds/w-2.2", "other gates")
    assert (again.champion, again.champion_path) == ("w-2", "../builds/w-2.2")
    assert (again.previous, again.previous_path) == ("w-1", "../builds/w-1")
    assert (again.history[-1].action, again.history[-1].replaced) == ("promote", "w-2")


@pytest.mark.parametrize("promotions", [0, 1])
def test_there_must_be_something_to_go_back_to(promotions: int) -> None:
    rollout = Rollout(workload="w")
    for number in range(promotions):
        rollout = promoted(rollout, f"w-{number}", Path("/b"), "")
    with pytest.raises(BuildError, match="w has no earlier champion"):
        rolled_back(rollout, "")


def test_a_document_survives_the_file_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    assert read_rollout(path, "w") == Rollout(workload="w")
    rollout = promoted(Rollout(workload="w"), "w-1", Path("/b/1"), "first")
    write_rollout(path, rollout)
    assert read_rollout(path, "w") == rollout
    path.write_text('{"workload": 3}')
    with pytest.raises(BuildError, match="not a rollout document"):
        read_rollout(path, "w")
    path.unlink()
    path.mkdir()
    with pytest.raises(BuildError, match=r"w\.json, which says who serves w, cannot be read: Is a directory"):
        read_rollout(path, "w")


def test_every_change_counts() -> None:
    first = promoted(Rollout(workload="w"), "w-1", Path("/b/1"), "first")
    second = promoted(first, "w-2", Path("/b/2"), "better")
    assert [first.version, second.version, rolled_back(second, "worse").version] == [1, 2, 3]


def test_a_home_that_was_moved_names_its_builds_where_they_are(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "builds" / "w-1").mkdir(parents=True)
    (old / "rollouts").mkdir()
    document = old / "rollouts" / "w.json"
    place = place_of(document, old / "builds" / "w-1")
    assert folder_of(document, place) == old / "builds" / "w-1"
    absolute = str(old / "builds" / "w-1")
    shutil.move(old, new)
    for written in (place, absolute):
        assert folder_of(new / "rollouts" / "w.json", written) == new / "builds" / "w-1"
    assert place_of(document, tmp_path / "elsewhere" / "w-1") == str(tmp_path / "elsewhere" / "w-1")
