"""A store that is a folder: the home of one machine, or of several that share a disk."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.artefacts.errors import HostError
from components.artefacts.storage import digest_bytes, held, scratch_prefix, take_lock, write_atomically, write_once
from components.store.store import ConflictError, Document, Entry, File, Room, StoreError, checked

# How often who waits for a lease looks again, and how long another may take to write a document.
LOOK_SECONDS = 0.2
WRITE_SECONDS = 60.0


class FolderStore:
    """Entries are folders below ``root``, taken by one rename; leases are locks of the operating system."""

    elsewhere = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def where(self, room: Room, name: str = "", file: str = "") -> str:
        return str(self._path(room, name, file) if name else self.root / room)

    def commit(self, room: Room, name: str, folder: Path) -> bool:
        target = self._path(room, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        try:
            folder.rename(target)
        except OSError:
            if not os.path.lexists(target):
                raise
            return False
        return True

    def work(self, room: Room, name: str) -> Path:
        folder = self._path(room, name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def publish(self, room: Room, name: str) -> None:
        if not self._path(room, name).is_dir():
            raise StoreError(f"{self.where(room, name)} is to be published and is not there")

    def exists(self, room: Room, name: str, file: str = "") -> bool:
        return self._path(room, name, file).exists()

    def local(self, room: Room, name: str, file: str = "") -> Path:
        return self._path(room, name, file)

    def read(self, room: Room, name: str, file: str) -> bytes:
        try:
            return self._path(room, name, file).read_bytes()
        except OSError as error:
            raise StoreError(f"{self.where(room, name, file)} cannot be read: {error.strerror}") from error

    def entry(self, room: Room, name: str) -> Entry | None:
        folder = self._path(room, name)
        if not folder.is_dir():
            return None
        files = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
        committed = datetime.fromtimestamp(min((one.st_mtime for one in files.values()), default=0.0), UTC)
        return Entry({name: File("", found.st_size) for name, found in files.items()}, committed.isoformat())

    def names(self, room: Room, below: str = "") -> tuple[str, ...]:
        return self._listed(self._path(room, below) if below else self.root / room, folders=True)

    def delete(self, room: Room, name: str) -> None:
        folder = self._path(room, name)
        # First out of sight, in one step: a deletion that is interrupted leaves no half of an entry behind.
        hidden = folder.with_name(f"{scratch_prefix('deleted')}{folder.name.replace('.', '_')}")
        try:
            folder.rename(hidden)
        except FileNotFoundError:
            return
        shutil.rmtree(hidden)

    def read_document(self, room: Room, name: str) -> Document | None:
        path = self._path(room, name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        return Document(data, digest_bytes(data))

    def write_document(self, room: Room, name: str, data: bytes, seen: str | None) -> str:
        path = self._path(room, name)
        version = digest_bytes(data)
        if seen is None:
            if not write_once(path, data):
                raise ConflictError(f"{path} was written by somebody else meanwhile: nothing was written")
            return version
        # One lock for all of a folder: a write takes no time.
        with held(path.with_name("documents"), WRITE_SECONDS):
            found = self.read_document(room, name)
            if (found.version if found else None) != seen:
                raise ConflictError(f"{path} was changed by somebody else since it was read: nothing was written")
            write_atomically(path, data)
        return version

    def delete_document(self, room: Room, name: str) -> None:
        self._path(room, name).unlink(missing_ok=True)

    def documents(self, room: Room) -> tuple[str, ...]:
        return self._listed(self.root / room, folders=False)

    def sweep(self) -> int:
        # What they left unfinished lies beside what they made: artefacts.storage.sweep.
        return 0

    @contextmanager
    def lease(
        self,
        room: Room,
        name: str,
        holder: str,
        *,
        wait_seconds: float | None = None,
        waiting: Callable[[str], None] = lambda holder: None,
    ) -> Iterator[None]:
        named = self._path(room, name)
        path = named.with_name(f".{named.name}.lease")
        path.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with path.open("a+b") as file:
            if not take_lock(file):
                waiting(path.read_text(encoding="utf-8", errors="replace") or "another process")
                while not take_lock(file):
                    if wait_seconds is not None and time.monotonic() - began > wait_seconds:
                        raise HostError(
                            f"another process has held {room}/{name} for {wait_seconds:.0f} s: wait until it ends, "
                            "or end it"
                        )
                    time.sleep(LOOK_SECONDS)
            file.truncate(0)
            file.write(holder.encode())
            file.flush()
            yield

    def _path(self, room: Room, name: str, file: str = "") -> Path:
        path = self.root / room / checked(name)
        return path / checked(file) if file else path

    def _listed(self, folder: Path, *, folders: bool) -> tuple[str, ...]:
        found = folder.iterdir() if folder.is_dir() else ()
        seen = [path.name for path in found if path.is_dir() == folders and not path.name.startswith(".")]
        return tuple(sorted(seen))
