"""Several processes of one machine over one cache: each moment of another one is injected where it would hurt."""

from pathlib import Path
from typing import IO

import pytest

from components.artefacts.storage import take_lock
from components.store import cache as cache_module
from components.store.cache import Cache, Cached
from components.store.installation import open_store
from components.store.object_store import ObjectStore
from components.store.store import Entry, File, Room
from tests.components.store.test_store import made


def added(cache: Cache, *names: str) -> None:
    """Put entries of 100 bytes there, in this order."""
    for name in names:
        cache.folder("builds", name).mkdir(parents=True, exist_ok=True)
        cache.add("builds", name, Cached(Entry({"graph": File("d", 100)}, "now"), "1"))


def forgotten(cache: Cache) -> None:
    """Let the entries lie there in use by nobody, as after a process has ended."""
    for marker in list(cache._in_use):
        cache._let_go(marker)


def test_what_another_process_deletes_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = Cache(tmp_path, 1000), Cache(tmp_path, 1000)
    added(first, *"abcd")
    forgotten(first)
    read = first._read

    def read_and_deleted(marker: Path) -> Cached | None:
        found = read(marker)
        for name in "abcd":
            other.remove("builds", name)
        return found

    monkeypatch.setattr(first, "_read", read_and_deleted)
    first.limit = 0
    first._make_room()
    assert list((tmp_path / "cache").rglob("*.json")) == []


def test_what_another_process_fetches_again_meanwhile_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = Cache(tmp_path, 1000), Cache(tmp_path, 1000)
    added(first, "a")
    forgotten(first)

    def fetched_and_locked(file: IO[bytes]) -> bool:
        added(other, "a")
        return take_lock(file)

    monkeypatch.setattr(cache_module, "take_lock", fetched_and_locked)
    first.limit = 0
    first._make_room()
    assert first.folder("builds", "a").is_dir()
    assert first.holds("builds", "a", "1")


@pytest.mark.parametrize("how", ["local", "commit", "publish"])
def test_what_another_process_deletes_before_it_is_in_use_is_fetched_again(
    how: str, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, maker = open_store(tmp_path / "home", s3, 1), open_store(tmp_path / "maker", s3, 1)
    assert isinstance(store, ObjectStore)
    other, use, deleted = Cache(store.root, 1000), store._cache.use, []

    def deleted_and_used(room: Room, name: str) -> bool:
        if not deleted:
            deleted.append(name)
            other.remove(room, name)
        return use(room, name)

    monkeypatch.setattr(store._cache, "use", deleted_and_used)
    if how == "local":
        assert maker.commit("builds", "one", made(maker, {"graph": "g"}))
        store.local("builds", "one")
    elif how == "commit":
        assert store.commit("builds", "one", made(store, {"graph": "g"}))
    else:
        (store.work("builds", "one") / "graph").write_text("g")
        store.publish("builds", "one")
    assert deleted == ["one"]
    assert (store.root / "builds" / "one" / "graph").read_text() == "g"
