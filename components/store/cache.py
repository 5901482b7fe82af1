"""Which entries of an object storage lie on this machine, bounded: what was not used for longest goes first.

Each has a file in the room ``cache``: its manifest, which says that it is here whole; when it was written, which is the
last use; and locked by every process that uses it, which therefore keeps it.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from components.artefacts.storage import scratch_prefix, take_lock, write_atomically
from components.store.store import Entry, Room


class Cached(msgspec.Struct, frozen=True):
    """An entry that lies here: as it is in the storage, in that version."""

    entry: Entry
    version: str


class Cache:
    """The entries of an object storage below a folder."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root = root
        self.limit = limit
        # Locked for as long as this process lives: it was given their paths.
        self._in_use: dict[Path, int] = {}

    def folder(self, room: Room, name: str) -> Path:
        """Return where an entry lies, or will."""
        return self.root / room / name

    def holds(self, room: Room, name: str, version: str) -> bool:
        """Say whether an entry is here whole, in that version."""
        found = self._read(self._marker(room, name))
        return found is not None and found.version == version and self.folder(room, name).is_dir()

    def add(self, room: Room, name: str, cached: Cached) -> bool:
        """Note that an entry lies here whole, use it, and make room for it; False if it was deleted a moment ago."""
        write_atomically(self._marker(room, name), msgspec.json.encode(cached))
        kept = self.use(room, name)
        self._make_room()
        return kept

    def use(self, room: Room, name: str) -> bool:
        """Keep an entry for as long as this process lives; False if it was deleted a moment ago."""
        marker = self._marker(room, name)
        try:
            descriptor = os.open(marker, os.O_RDONLY)
        except FileNotFoundError:
            return False
        # Locked by all who use it; who deletes it wants it alone.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)
            return False
        os.utime(descriptor)
        self._let_go(marker)
        self._in_use[marker] = descriptor
        return True

    def in_use(self, room: Room, name: str) -> bool:
        """Say whether this process has used an entry already."""
        return self._marker(room, name) in self._in_use

    def remove(self, room: Room, name: str) -> None:
        """Delete an entry from this machine."""
        marker = self._marker(room, name)
        self._let_go(marker)
        self._remove(marker)

    def _make_room(self) -> None:
        """Delete what was not used for longest and nobody uses, until the rest is within the limit."""
        known = sorted(self._known())
        size = sum(one for _, _, one in known)
        for _, marker, one in known:
            if size <= self.limit:
                return
            try:
                # Not made anew if another process has deleted it meanwhile; left alone if one has fetched it again.
                with marker.open("r+b") as file:
                    if not take_lock(file) or os.fstat(file.fileno()).st_nlink == 0:
                        continue
                    self._remove(marker)
            except FileNotFoundError:
                pass
            size -= one

    def _known(self) -> Iterator[tuple[float, Path, int]]:
        """Yield when each entry was used last, its marker, and its size."""
        for path in (self.root / "cache").rglob("*.json"):
            cached = self._read(path)
            with contextlib.suppress(FileNotFoundError):
                used = path.stat().st_mtime
                if cached is not None:
                    yield used, path, cached.entry.size

    def _remove(self, marker: Path) -> None:
        # The mark first: what is deleted in part is not taken for whole.
        marker.unlink(missing_ok=True)
        folder = self.root / marker.relative_to(self.root / "cache").with_suffix("")
        hidden = folder.with_name(f"{scratch_prefix('deleted')}{folder.name.replace('.', '_')}")
        try:
            folder.rename(hidden)
        except FileNotFoundError:
            return
        shutil.rmtree(hidden)

    def _let_go(self, marker: Path) -> None:
        if (descriptor := self._in_use.pop(marker, None)) is not None:
            os.close(descriptor)

    def _marker(self, room: Room, name: str) -> Path:
        return self.root / "cache" / room / f"{name}.json"

    def _read(self, marker: Path) -> Cached | None:
        try:
            return msgspec.json.decode(marker.read_bytes(), type=Cached)
        except (OSError, msgspec.MsgspecError):
            return None
