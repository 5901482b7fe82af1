"""Results of stages as they are kept: documents of the store, with references in them instead of paths."""

from pathlib import Path
from typing import Any

from prefect.filesystems import WritableFileSystem
from prefect.results import ResultStore
from pydantic import BaseModel

from components.settings import Home
from components.store.reference import references
from components.store.store import ConflictError, Room, Store

ROOM: Room = "prefect"
FOLDER = "results"


class KeptResults(WritableFileSystem):
    """Prefect's storage of results, in the store of a home."""

    _block_type_name = "Slipway store"
    _block_type_slug = "slipway-store"

    home: str
    address: str = ""
    cache_gb: float = 20.0

    @classmethod
    def of(cls, home: Home) -> "KeptResults":
        """Return the storage in a home's store."""
        return cls(home=str(home.root), address=home.address, cache_gb=home.cache_gb)

    @property
    def store(self) -> Store:
        """Where they lie."""
        return Home(Path(self.home), self.address, self.cache_gb).store

    async def aread_path(self, path: str) -> bytes:
        return self.read_path(path)

    async def awrite_path(self, path: str, content: bytes) -> None:
        self.write_path(path, content)

    # Prefect asks for both ways, and says which one by `_sync`.
    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        found = self.store.read_document(ROOM, f"{FOLDER}/{path}")
        if found is None:
            raise ValueError(f"no result is kept under {path}")
        return found.data

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # type: ignore[override]
        name = f"{FOLDER}/{path}"
        while True:
            found = self.store.read_document(ROOM, name)
            try:
                self.store.write_document(ROOM, name, content, found.version if found else None)
            except ConflictError:
                continue
            return

    def _resolve_path(self, path: str) -> None:
        """Say that a key is no path of a file system, where Prefect asks."""

    def forget(self, path: str) -> None:
        """Delete a result, so that its stage runs again."""
        self.store.delete_document(ROOM, f"{FOLDER}/{path}")


def whole_result(kept: ResultStore, key: str) -> Any:
    """Return a kept result; None if there is none, or one that can no longer be used, which is forgotten.

    That is one whose references lead nowhere, or which an earlier version wrote.
    """
    if not kept.exists(key):
        return None
    try:
        result = kept.read(key).result
    except (ValueError, TypeError, KeyError):
        result = None
    if isinstance(result, BaseModel):
        entries = {(one.room, one.name, one.file): one for one in references(result)}
        if all(one.exists() for one in entries.values()):
            return result
    if isinstance(kept.result_storage, KeptResults):
        kept.result_storage.forget(key)
    return None
