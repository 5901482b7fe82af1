"""The rollout document: promotion, rollback, history."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.artefacts.errors import BuildError, HostError
from components.artefacts.rollout import (
    Rollout,
    RolloutMovedError,
    folder_of,
    place_of,
    promoted,
    read_rollout,
    rolled_back,
    unmoved,
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


def test_what_was_decided_on_another_state_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    first = promoted(Rollout(workload="w"), "w-1", Path("/b/1"), "first")
    before = promoted(first, "w-2", Path("/b/2"), "better")
    write_rollout(path, before)
    with unmoved(path, before):
        write_rollout(path, rolled_back(before, "it asks for the moon"))
    told = r"was changed meanwhile: it was w-2, now it is w-1 \(rollback at .*: it asks for the moon\)"
    with pytest.raises(RolloutMovedError, match=told), unmoved(path, before):
        pytest.fail("somebody else decided")
    assert read_rollout(path, "w").champion == "w-1"


def test_who_waits_for_too_long_is_told(tmp_path: Path) -> None:
    path, before = tmp_path / "w.json", Rollout(workload="w")
    told = r"another process has held .*w\.json for 0 s"
    with unmoved(path, before), pytest.raises(HostError, match=told), unmoved(path, before, seconds=0):
        pytest.fail("it is held")


DECIDER = """
import sys, time
from pathlib import Path
from components.artefacts.rollout import RolloutMovedError, promoted, read_rollout, unmoved, write_rollout
path, name = Path(sys.argv[1]), sys.argv[2]
done = 0
while done < 5:
    before = read_rollout(path, "w")
    after = promoted(before, f"w-{name}-{done}", path, name)
    try:
        with unmoved(path, before):
            write_rollout(path, after)
    except RolloutMovedError:
        continue
    done += 1
"""


def test_of_many_processes_that_decide_at_once_no_decision_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    deciders = [subprocess.Popen([sys.executable, "-c", DECIDER, str(path), name]) for name in "abcd"]
    assert [decider.wait(timeout=120) for decider in deciders] == [0, 0, 0, 0]
    found = read_rollout(path, "w")
    assert found.version == len(found.history) == 20
    assert {change.build_id for change in found.history} == {f"w-{name}-{done}" for name in "abcd" for done in range(5)}
    # Each was decided knowing who served then.
    assert [change.replaced for change in found.history] == [None, *(change.build_id for change in found.history[:-1])]


HOLDER = """
import sys, time
from pathlib import Path
from components.artefacts.rollout import Rollout, unmoved
with unmoved(Path(sys.argv[1]), Rollout(workload="w")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HostError), unmoved(path, Rollout(workload="w"), seconds=0):
            pytest.fail("it is held")
    finally:
        holder.kill()
        holder.communicate()
    with unmoved(path, Rollout(workload="w"), seconds=5):
        assert time.monotonic()


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
