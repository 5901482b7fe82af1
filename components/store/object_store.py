"""A store in object storage: content by digest, a manifest for each entry that is written last, a cache in the home.

blobs/<sha256>              content; shared, so a file that is there is not sent again
entries/<room>/<name>       Entry: the files by name. Written last and on the condition that it is not there
documents/<room>/<name>     written on the condition that it is the version which was seen
leases/<room>/<name>        who holds it
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from components.artefacts.storage import digest_bytes, digest_file, scratch_prefix, write_atomically
from components.store.bucket import Bucket
from components.store.cache import Cache, Cached
from components.store.leases import hold
from components.store.store import ConflictError, Document, Entry, File, Room, StoreError, checked

One = TypeVar("One")
Done = TypeVar("Done")

AT_ONCE = 8
RECENT_SECONDS = 1.0
# Content that no entry names may be of an entry that is being committed. Older content is sent again instead of being
# relied on at half that age, so what is deleted is of no commit that is under way.
KEPT_DAYS = 14


class ObjectStore:
    """Entries, documents and leases below an address; ``root`` is the folder of this machine that they are used in."""

    elsewhere = True

    def __init__(self, root: Path, bucket: Bucket, cache_bytes: int) -> None:
        self.root = root
        self._bucket = bucket
        self._cache = Cache(root, cache_bytes)
        self._fetching = threading.RLock()
        # Manifests by their keys, and when they were read: a result names many files of an entry.
        self._recent: dict[str, tuple[float, Cached]] = {}

    def where(self, room: Room, name: str = "", file: str = "") -> str:
        return f"{'/'.join(filter(None, (room, name, file)))} in {self._bucket.address}"

    def commit(self, room: Room, name: str, folder: Path) -> bool:
        if self._manifest(room, name) is not None:
            return False
        entry = self._sent(folder)
        try:
            version = self._bucket.put(_key("entries", room, name), msgspec.json.encode(entry), None, unique=True)
        except ConflictError:
            return False
        folder.chmod(0o755)
        target = self._cache.folder(room, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        _put_in_place(folder, target)
        if not self._cache.add(room, name, Cached(entry, version)):
            self.local(room, name)
        return True

    def work(self, room: Room, name: str) -> Path:
        if self._manifest(room, name) is not None:
            return self.local(room, name)
        folder = self._cache.folder(room, name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def publish(self, room: Room, name: str) -> None:
        folder = self._cache.folder(room, name)
        if not folder.is_dir():
            raise StoreError(f"{folder} is to be published and is not there")
        entry = self._sent(folder)
        self._recent.pop(_key("entries", room, name), None)
        version = self._bucket.replace(_key("entries", room, name), msgspec.json.encode(entry))
        if not self._cache.add(room, name, Cached(entry, version)):
            self.local(room, name)

    def exists(self, room: Room, name: str, file: str = "") -> bool:
        found = self._manifest(room, name)
        if found is None:
            return not file and self.read_document(room, name) is not None
        return not file or _has(found.entry, file)

    def local(self, room: Room, name: str, file: str = "") -> Path:
        folder = self._cache.folder(room, checked(name))
        # Asked once for each process: what is committed does not change, and what is published again is rare.
        if not self._cache.in_use(room, name):
            with self._fetching:
                # Another process over the same folder may make room for its own before it is in use here.
                while not self._cache.in_use(room, name) and not self._fetch(room, name, folder):
                    pass
        return folder / checked(file) if file else folder

    def read(self, room: Room, name: str, file: str) -> bytes:
        if self._cache.in_use(room, name):
            return self._cache.folder(room, name).joinpath(file).read_bytes()
        found = self._manifest(room, name)
        if found is None or file not in found.entry.files:
            raise StoreError(f"{self.where(room, name, file)} is not there: it was deleted, or made for another store")
        digest = found.entry.files[file].digest
        content = self._bucket.get(f"blobs/{digest}")
        if content is None or digest_bytes(content.data) != digest:
            raise StoreError(f"{self.where(room, name, file)} is not what was stored: do not use it, make it anew")
        return content.data

    def entry(self, room: Room, name: str) -> Entry | None:
        found = self._manifest(room, name)
        return found.entry if found else None

    def names(self, room: Room, below: str = "") -> tuple[str, ...]:
        return self._bucket.names(f"{_key('entries', room, below)}/" if below else f"entries/{room}/")

    def delete(self, room: Room, name: str) -> None:
        self._recent.pop(_key("entries", room, name), None)
        self._bucket.delete(_key("entries", room, name))
        self._cache.remove(room, name)

    def read_document(self, room: Room, name: str) -> Document | None:
        return self._bucket.get(_key("documents", room, name))

    def write_document(self, room: Room, name: str, data: bytes, seen: str | None) -> str:
        return self._bucket.put(_key("documents", room, name), data, seen)

    def delete_document(self, room: Room, name: str) -> None:
        self._bucket.delete(_key("documents", room, name))

    def documents(self, room: Room) -> tuple[str, ...]:
        return self._bucket.names(f"documents/{room}/")

    def lease(
        self,
        room: Room,
        name: str,
        holder: str,
        *,
        wait_seconds: float | None = None,
        waiting: Callable[[str], None] = lambda holder: None,
    ) -> AbstractContextManager[None]:
        return hold(self._bucket, _key("leases", room, name), holder, wait_seconds=wait_seconds, waiting=waiting)

    def sweep(self, days: float = KEPT_DAYS) -> int:
        """Delete content that no entry names and that is older; return how much it was: of killed commits, of what
        was deleted."""
        before = datetime.now(UTC) - timedelta(days=days)
        old = [key for key, written in self._bucket.below("blobs/") if written < before]
        # After the content: an entry that was written until then keeps what it names.
        named = set()
        for key, _ in self._bucket.below("entries/"):
            if found := self._bucket.get(key):
                named |= {f"blobs/{file.digest}" for file in _decoded(key, found).files.values()}

        def delete(key: str) -> bool:
            # A commit may have sent it again meanwhile, and will name it.
            written = self._bucket.age(key)
            if written is None or written >= before:
                return False
            self._bucket.delete(key)
            return True

        return sum(_each(delete, [key for key in old if key not in named]))

    def _manifest(self, room: Room, name: str) -> Cached | None:
        key = _key("entries", room, name)
        read_at, known = self._recent.get(key, (-RECENT_SECONDS, None))
        if known is not None and time.monotonic() - read_at < RECENT_SECONDS:
            return known
        found = self._bucket.get(key)
        if found is None:
            return None
        manifest = Cached(_decoded(key, found), found.version)
        self._recent[key] = time.monotonic(), manifest
        return manifest

    def _sent(self, folder: Path) -> Entry:
        """Send what a folder holds and return it as an entry."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): File(digest_file(path), path.stat().st_size) for path in paths}
        _each(lambda path: self._send(path, files[path.relative_to(folder).as_posix()]), paths)
        return Entry(files, datetime.now(UTC).isoformat(timespec="milliseconds"))

    def _send(self, path: Path, file: File) -> None:
        key = f"blobs/{file.digest}"
        written = self._bucket.age(key)
        if written is None or written < datetime.now(UTC) - timedelta(days=KEPT_DAYS / 2):
            self._bucket.upload(key, path)

    def _download(self, file: File, path: Path) -> None:
        self._bucket.download(f"blobs/{file.digest}", path, file.digest)

    def _fetch(self, room: Room, name: str, folder: Path) -> bool:
        """Put an entry, or a document, on this machine; False if it was deleted from there a moment ago."""
        found = self._manifest(room, name)
        if found is None:
            if (document := self.read_document(room, name)) is None:
                raise StoreError(f"{self.where(room, name)} is not there: it was deleted, or made for another store")
            write_atomically(folder, document.data)
            return True
        if self._cache.holds(room, name, found.version) and self._cache.use(room, name):
            return True
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=scratch_prefix(folder.name)))
        try:
            files = found.entry.files
            for name_of in files:
                scratch.joinpath(checked(name_of)).parent.mkdir(parents=True, exist_ok=True)
            _each(lambda one: self._download(files[one], scratch / one), files)
            scratch.chmod(0o755)
            _put_in_place(scratch, folder)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return self._cache.add(room, name, found)


def _key(what: str, room: Room, name: str) -> str:
    return f"{what}/{room}/{checked(name)}"


def _has(entry: Entry, file: str) -> bool:
    return file in entry.files or any(name.startswith(f"{file}/") for name in entry.files)


def _decoded(key: str, found: Document) -> Entry:
    try:
        return msgspec.json.decode(found.data, type=Entry)
    except msgspec.MsgspecError as error:
        raise StoreError(f"{key} in the store is no manifest of an entry: {error}") from error


def _put_in_place(folder: Path, target: Path) -> None:
    """Make a folder the target, instead of what is there: of no other store, or worked on and never published."""
    while True:
        try:
            folder.rename(target)
        except OSError:
            if not os.path.lexists(target):
                raise
        else:
            return
        hidden = target.with_name(f"{scratch_prefix('deleted')}{target.name.replace('.', '_')}")
        try:
            target.rename(hidden)
        except FileNotFoundError:
            continue
        if hidden.is_dir() and not hidden.is_symlink():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()


def _each(do: Callable[[One], Done], what: Iterable[One]) -> list[Done]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(do, what))
