"""The laws of a store, over a folder and over object storage."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.artefacts.errors import HostError
from components.store.installation import open_store
from components.store.store import ConflictError, Room, Store, StoreError

Open = Callable[[str], Store]


@pytest.fixture(params=["folder", "objects"])
def address(request: pytest.FixtureRequest) -> str:
    """Where the store is: a folder, or an S3 stand-in."""
    return "" if request.param == "folder" else str(request.getfixturevalue("s3"))


@pytest.fixture
def machine(address: str, tmp_path: Path) -> Open:
    """Open the store as another machine would: with a folder of its own, if the store is not that folder."""
    return lambda name: open_store(tmp_path / (name if address else "shared"), address, 1)


def made(store: Store, files: dict[str, str], name: str = "made") -> Path:
    """Return a folder of this machine with these files."""
    folder = store.root / f"scratch-{name}"
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return folder


def test_what_one_machine_commits_another_one_finds_whole(machine: Open) -> None:
    here, there = machine("here"), machine("there")
    assert not there.exists("builds", "one")
    folder = made(here, {"graph": "g", "assets/words": "w"})
    assert here.commit("builds", "one", folder)
    assert not folder.exists()
    assert there.exists("builds", "one")
    assert there.exists("builds", "one", "assets/words")
    assert not there.exists("builds", "one", "other")
    assert there.names("builds") == ("one",)
    assert here.commit("reports", "pages/two", made(here, {"index": "i"}))
    assert (there.names("reports", "pages"), there.names("reports", "none")) == (("two",), ())
    assert there.read("builds", "one", "graph") == b"g"
    entry = there.entry("builds", "one")
    assert entry is not None
    assert {name: file.size for name, file in entry.files.items()} == {"graph": 1, "assets/words": 1}
    assert (there.local("builds", "one") / "assets" / "words").read_text() == "w"
    assert there.local("builds", "one", "graph").read_text() == "g"
    there.delete("builds", "one")
    there.delete("builds", "one")
    assert not machine("third").exists("builds", "one")


def test_the_first_to_commit_wins_and_nothing_is_mixed(machine: Open) -> None:
    stores = [machine(str(number)) for number in range(4)]
    folders = [made(store, {name: str(n) for name in "abcdefgh"}, str(n)) for n, store in enumerate(stores)]
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda store, folder: store.commit("builds", "one", folder), stores, folders))
    assert won.count(True) == 1
    found = machine("reader").local("builds", "one")
    assert {path.read_text() for path in found.iterdir()} == {str(won.index(True))}
    assert [folder.exists() for folder in folders] == [not one for one in won]


def test_a_killed_commit_leaves_nothing_and_can_be_repeated(machine: Open, address: str) -> None:
    store = machine("here")
    assert _killed(store, address, "commit") == -signal.SIGKILL
    assert not store.exists("builds", "one")
    assert store.names("builds") == ()
    assert store.commit("builds", "one", made(store, {"rows": "whole"}))
    assert machine("there").local("builds", "one", "rows").read_text() == "whole"


def test_a_document_is_written_by_who_has_seen_its_last_version(machine: Open) -> None:
    here, there = machine("here"), machine("there")
    assert here.read_document("rollouts", "flights.json") is None
    first = here.write_document("rollouts", "flights.json", b"1", None)
    with pytest.raises(ConflictError, match="flights"):
        there.write_document("rollouts", "flights.json", b"2", None)
    second = there.write_document("rollouts", "flights.json", b"2", first)
    with pytest.raises(ConflictError, match="somebody else"):
        here.write_document("rollouts", "flights.json", b"3", first)
    with pytest.raises(ConflictError):
        here.write_document("rollouts", "other.json", b"3", first)
    found = here.read_document("rollouts", "flights.json")
    assert found is not None
    assert (found.data, found.version) == (b"2", second)
    assert here.documents("rollouts") == ("flights.json",)
    here.delete_document("rollouts", "flights.json")
    here.delete_document("rollouts", "flights.json")
    assert there.documents("rollouts") == ()


def test_two_writers_lose_no_change(machine: Open) -> None:
    def count(store: Store) -> None:
        for _ in range(15):
            while True:
                found = store.read_document("runs", "count")
                try:
                    store.write_document(
                        "runs", "count", b"%d" % (int(found.data) + 1 if found else 1), found.version if found else None
                    )
                    break
                except ConflictError:
                    continue

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, [machine("here"), machine("there")]))
    found = machine("reader").read_document("runs", "count")
    assert found is not None
    assert found.data == b"30"


def test_what_is_worked_on_is_seen_by_others_once_it_is_published(machine: Open, address: str) -> None:
    here, there = machine("here"), machine("there")
    folder = here.work("training", "flights-1")
    (folder / "model").write_text("first")
    if address:
        assert not there.exists("training", "flights-1")
    here.publish("training", "flights-1")
    assert (there.work("training", "flights-1") / "model").read_text() == "first"
    (here.work("training", "flights-1") / "model").write_text("second")
    here.publish("training", "flights-1")
    assert machine("third").local("training", "flights-1", "model").read_text() == "second"
    with pytest.raises(StoreError, match="not there"):
        here.publish("training", "flights-2")


def test_a_lease_is_held_by_one_at_a_time(machine: Open) -> None:
    here, there = machine("here"), machine("there")
    told: list[str] = []
    order: list[str] = []
    held = threading.Event()

    def wait() -> None:
        held.wait()
        with there.lease("runs", "flights", "the second", waiting=lambda holder: (told.append(holder), go.set())):
            order.append("second")

    go = threading.Event()
    other = threading.Thread(target=wait)
    other.start()
    with here.lease("runs", "flights", "the first"):
        held.set()
        assert go.wait(20)
        order.append("first")
    other.join()
    assert told == ["the first"]
    assert order == ["first", "second"]
    with here.lease("runs", "flights", "one"), pytest.raises(HostError, match="held"):  # noqa: SIM117
        with there.lease("runs", "flights", "two", wait_seconds=0.1):
            pass


def test_a_killed_holder_keeps_nobody_waiting(machine: Open, address: str) -> None:
    store = machine("here")
    assert _killed(store, address, "lease") == -signal.SIGKILL
    with store.lease("runs", "one", "the next"):
        pass


@pytest.mark.parametrize("name", ["", "/etc", "..", "a/../../b", "a//b", "./a"])
def test_no_name_leads_out_of_the_store(machine: Open, name: str) -> None:
    store = machine("here")
    uses: list[Callable[[Room, str], object]] = [store.exists, store.local, store.read_document, store.delete]
    for use in uses:
        with pytest.raises(StoreError, match="no name"):
            use("builds", name)


def _killed(store: Store, address: str, what: str) -> int:
    script = Path(__file__).with_name("killed.py")
    repository = Path(__file__).parents[3]
    command = [sys.executable, str(script), str(store.root), address, what]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(repository)}, timeout=60).returncode
