"""The rollout document: promotion, rollback, history."""

from pathlib import Path

import pytest

from components.delivery.rollout import Rollout, promoted, read_rollout, rolled_back, write_rollout
from components.errors import BuildError


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
