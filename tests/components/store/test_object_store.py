"""What only object storage has: a cache on this machine, content that may be damaged, a server that may be away."""

import json
import pickle
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import Field

from components.result import Result
from components.store.installation import open_store
from components.store.object_store import ObjectStore
from components.store.reference import Reference, made_in, references
from components.store.store import StoreError
from tests.components.store.test_store import _killed, made


class Made(Result):
    """What a stage might hand on."""

    stored: Reference = Field(alias="path")


def opened(root: Path, address: str, gigabytes: float = 1) -> ObjectStore:
    store = open_store(root, address, gigabytes)
    assert isinstance(store, ObjectStore)
    return store


def test_the_cache_keeps_what_was_used_last_and_whatever_is_in_use(tmp_path: Path, s3: str) -> None:
    maker = opened(tmp_path / "maker", s3)
    for name in "abcd":
        assert maker.commit("builds", name, made(maker, {"graph": name * 400}, name))
    reader = opened(tmp_path / "reader", s3, 1e-6)
    for name in "abcd":
        # In use by this process: all stay, though only two fit.
        assert reader.local("builds", name, "graph").read_text() == name * 400
    assert [(reader.root / "builds" / name).exists() for name in "abcd"] == [True] * 4
    # Another process over the same folder uses nothing yet; `d` was used last.
    for marker in list(reader._cache._in_use):
        reader._cache._let_go(marker)
    other = ObjectStore(reader.root, reader._bucket, 1000)
    assert other.commit("builds", "e", made(other, {"graph": "e" * 400}, "e"))
    assert [(other.root / "builds" / name).exists() for name in "abcde"] == [False, False, False, True, True]
    assert other.local("builds", "a", "graph").read_text() == "a" * 400


def test_a_killed_fetch_leaves_no_half_of_an_entry(tmp_path: Path, s3: str) -> None:
    maker, reader = opened(tmp_path / "maker", s3), opened(tmp_path / "reader", s3)
    assert maker.commit("builds", "one", made(maker, {"graph": "g", "words": "w"}))
    _killed(reader, s3, "fetch")
    assert not (reader.root / "builds" / "one").exists()
    assert reader.local("builds", "one", "graph").read_text() == "g"


def test_content_that_is_not_what_was_stored_is_refused(tmp_path: Path, s3: str) -> None:
    maker, reader = opened(tmp_path / "maker", s3), opened(tmp_path / "reader", s3)
    assert maker.commit("builds", "one", made(maker, {"graph": "g"}))
    entry = maker.entry("builds", "one")
    assert entry is not None
    maker._bucket.replace(f"blobs/{entry.files['graph'].digest}", b"other")
    with pytest.raises(StoreError, match="not what was stored"):
        reader.local("builds", "one")
    with pytest.raises(StoreError, match="not what was stored"):
        reader.read("builds", "one", "graph")
    assert not (reader.root / "builds" / "one").exists()


def test_what_no_entry_names_is_swept_once_it_is_old(tmp_path: Path, s3: str) -> None:
    store = opened(tmp_path / "home", s3)
    _killed(store, s3, "commit")
    assert store.commit("builds", "two", made(store, {"graph": "g"}))
    assert store.sweep() == 0
    assert store.sweep(days=0) == 2
    assert opened(tmp_path / "other", s3).local("builds", "two", "graph").read_text() == "g"


@pytest.mark.parametrize("after", ["entries/", "blobs/"])
def test_content_that_a_commit_sends_again_while_old_content_is_swept_stays(
    after: str, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = opened(tmp_path / "home", s3), opened(tmp_path / "other", s3)
    _killed(store, s3, "commit")
    below = store._bucket.below
    # All that is there counts as old, so the commit relies on none of it.
    monkeypatch.setattr("components.store.object_store.KEPT_DAYS", 0)

    def listed_and_committed(prefix: str) -> Iterator[tuple[str, datetime]]:
        yield from below(prefix)
        if prefix == after:
            # A storage tells whole seconds.
            time.sleep(1.1)
            files = {"rows": "of the killed one", "more": "of the killed one, too"}
            assert other.commit("builds", "one", made(other, files))

    monkeypatch.setattr(store._bucket, "below", listed_and_committed)
    assert store.sweep(days=0) == 0
    assert opened(tmp_path / "reader", s3).local("builds", "one", "rows").read_text() == "of the killed one"


def test_an_absent_entry_and_an_unreachable_store_are_told_in_one_line(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match=r"builds/none in s3://slipway/.* is not there"):
        opened(tmp_path, s3).local("builds", "none")
    monkeypatch.setattr("components.store.bucket.RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="AWS_ENDPOINT_URL"):
        opened(tmp_path, "s3://slipway/away").exists("builds", "one")


@pytest.mark.parametrize("address", ["ftp://a/b", "nothing", "no_such_module:open", "s3:/x"])
def test_an_address_that_is_none_says_what_one_looks_like(tmp_path: Path, address: str) -> None:
    with pytest.raises(StoreError, match=f"SLIPWAY_STORE is '{address}'"):
        opened(tmp_path, address)


def test_a_reference_names_no_place_of_this_machine(tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path / "maker", s3)
    assert store.commit("prepared", "abc", made(store, {"train.parquet": "rows"}))
    reference = Reference("prepared", "abc", _store=store) / "train.parquet"
    text = Made(path=reference).model_dump_json()
    assert json.loads(text) == {"stored": {"room": "prepared", "name": "abc", "file": "train.parquet"}}
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "reader"))
    monkeypatch.setenv("SLIPWAY_STORE", s3)
    again = Made.model_validate_json(text).stored
    assert again == reference
    assert again.exists()
    assert again.local() == tmp_path / "reader" / "prepared" / "abc" / "train.parquet"
    assert again.read() == b"rows"
    assert pickle.loads(pickle.dumps(reference)) == reference
    assert references({"a": [again, (Made(path=reference),)], "b": "/no/reference"}) == {reference}


def test_what_was_made_in_a_folder_is_named_by_reference_and_nothing_else_is(tmp_path: Path, s3: str) -> None:
    store, beside = opened(tmp_path / "maker", s3), tmp_path / "beside"

    def make(folder: Path) -> dict[str, list[Made]]:
        (folder / "graphs").mkdir()
        (folder / "graphs" / "model").write_text("g")
        return {"all": [Made(path=folder / "graphs" / "model"), Made(path=beside)]}

    first, second = made_in(Reference("training", "w-1", _store=store), make)["all"]
    assert first.stored == Reference("training", "w-1", "graphs/model")
    assert (first.stored.local().read_text(), second.stored.local()) == ("g", beside)
    with pytest.raises(ValueError, match="beside lies in no store"):
        second.model_dump_json()
    for wrong in ('"/a/path"', '{"room": "prepared"}', '{"room": "attic", "name": "a", "file": ""}'):
        with pytest.raises(ValueError, match="stored"):
            Made.model_validate_json(f'{{"stored": {wrong}}}')
