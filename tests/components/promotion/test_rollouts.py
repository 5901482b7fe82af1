"""Who serves is changed by whoever has seen the last state of it, whatever the store."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.artefacts.errors import HostError
from components.artefacts.rollout import Rollout, promoted, read_rollout, rolled_back
from components.promotion import rollouts
from components.promotion.rollouts import RolloutMovedError, copy_of, rollout_of, unmoved
from components.settings import Home
from components.store.store import Store

DECIDER = """
import os, signal, sys
from components.artefacts.rollout import promoted
from components.promotion import rollouts
from components.promotion.rollouts import RolloutMovedError, rollout_of, unmoved
from components.store import leases
from components.store.installation import installed_store
store, name = installed_store(), sys.argv[1]
# A lease of a holder that dies is waited for as long as it says.
leases.hold.__wrapped__.__kwdefaults__["seconds"] = 2.0
done = 0
while done < 3:
    before = rollout_of(store, "w")
    try:
        with unmoved(store, before) as write:
            if name == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            write(promoted(before, f"w-{name}-{done}", "../builds/x", name))
    except RolloutMovedError:
        continue
    done += 1
"""


@pytest.fixture(params=["folder", "objects"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Home]:
    """The home of a machine: the same one, or one of several around an object storage."""
    if request.param == "folder":
        return lambda name: Home(tmp_path / "shared")
    address = str(request.getfixturevalue("s3"))
    return lambda name: Home(tmp_path / name, address)


def written(store: Store, rollout: Rollout) -> Rollout:
    with unmoved(store, rollout_of(store, rollout.workload)) as write:
        write(rollout)
    return rollout


def decider(home: Home, name: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "SLIPWAY_HOME": str(home.root), "SLIPWAY_STORE": home.address}
    return subprocess.Popen([sys.executable, "-c", DECIDER, name], env=environment)


def test_what_was_decided_on_another_state_is_not_written(machine: Callable[[str], Home]) -> None:
    here, there = machine("here").store, machine("there").store
    first = promoted(Rollout(workload="w"), "w-1", "../builds/w-1", "first")
    before = written(here, promoted(first, "w-2", "../builds/w-2", "better"))
    written(there, rolled_back(before, "it asks for the moon"))
    told = r"was changed meanwhile: it was w-2, now it is w-1 \(rollback at .*: it asks for the moon\)"
    with pytest.raises(RolloutMovedError, match=told), unmoved(here, before):
        pytest.fail("somebody else decided")
    assert rollout_of(here, "w").champion == "w-1"


def test_who_waits_for_too_long_is_told(machine: Callable[[str], Home]) -> None:
    here, there = machine("here").store, machine("there").store
    before = Rollout(workload="w")
    with (
        unmoved(here, before),
        pytest.raises(HostError, match=r"has held .*rollouts/w.* for 0 s"),
        unmoved(there, before, seconds=0),
    ):
        pytest.fail("it is held")


def test_of_many_processes_that_decide_at_once_no_decision_is_lost(machine: Callable[[str], Home]) -> None:
    deciders = [decider(machine(name), name) for name in "abc"]
    assert [one.wait(timeout=120) for one in deciders] == [0, 0, 0]
    found = rollout_of(machine("reader").store, "w")
    assert found.version == len(found.history) == 9
    assert {change.build_id for change in found.history} == {f"w-{name}-{done}" for name in "abc" for done in range(3)}
    # Each was decided knowing who served then.
    assert [change.replaced for change in found.history] == [None, *(change.build_id for change in found.history[:-1])]


def test_a_killed_process_holds_nothing_for_long(machine: Callable[[str], Home], tmp_path: Path) -> None:
    home = machine("here")
    assert decider(home, "killed").wait(timeout=60) == -signal.SIGKILL
    # In object storage for as long as a lease may be silent.
    first = written(home.store, promoted(Rollout(workload="w"), "w-1", "../builds/w-1", "first"))
    assert rollout_of(home.store, "w") == first


def test_a_service_on_another_machine_finds_document_and_build(machine: Callable[[str], Home]) -> None:
    here, there = machine("here"), machine("there")
    folder = here.root / "scratch"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    assert here.store.commit("builds", "w-1", folder)
    rollout = written(here.store, promoted(Rollout(workload="w"), "w-1", "../builds/w-1", "first"))
    document = copy_of(there, "w")
    assert read_rollout(document, "w") == rollout
    assert (there.room("builds") / "w-1" / "manifest.json").read_text() == "{}"


def test_a_service_on_another_machine_learns_who_serves_now(
    machine: Callable[[str], Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machine("here"), machine("there")
    monkeypatch.setattr(rollouts, "FOLLOW_SECONDS", 0.1)
    first = written(here.store, promoted(Rollout(workload="w"), "w-1", "/elsewhere/w-1", "first"))
    with rollouts.followed(there, "w") as document:
        assert read_rollout(document, "w") == first
        second = written(here.store, promoted(first, "w-2", "/elsewhere/w-2", "better"))
        deadline = time.monotonic() + 60
        while read_rollout(document, "w") != second:
            assert time.monotonic() < deadline, "it was not followed"
            time.sleep(0.05)


def test_a_service_learns_of_what_changed_before_it_began_to_follow_and_after_a_failure(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = Home(tmp_path / "here", s3), Home(tmp_path / "there", s3)
    monkeypatch.setattr(rollouts, "FOLLOW_SECONDS", 0.05)
    first = written(here.store, promoted(Rollout(workload="w"), "w-1", "/elsewhere/w-1", "first"))
    document, ended = copy_of(there, "w"), threading.Event()
    second = written(here.store, promoted(first, "w-2", "/elsewhere/w-2", "better"))

    def until(done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while not done():
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    told: list[str] = []

    def tells(word: str) -> bool:
        told.append(capsys.readouterr().err)
        return word in "".join(told)

    # Neither a store nor a folder of this machine that fails for a moment ends it.
    found = here.store.read_document("rollouts", "w.json")
    assert found is not None
    broken = here.store.write_document("rollouts", "w.json", b"none", found.version)
    follower = threading.Thread(target=rollouts._follow, args=(there, "w", ended))
    follower.start()
    try:
        until(lambda: tells("is not a rollout document"), "the store's failure was not told")
        shutil.rmtree(document.parent)
        document.parent.write_text("no folder")
        here.store.write_document("rollouts", "w.json", found.data, broken)
        until(lambda: tells("exists"), "the failure of this machine was not told")
        document.parent.unlink()
        until(lambda: document.exists() and read_rollout(document, "w") == second, "it was not followed")
    finally:
        ended.set()
        follower.join()
