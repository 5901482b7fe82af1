"""What a store is: where everything lies that another process may need. A folder, or object storage.

entry       a folder under a room and a name that is whole or absent; what is committed is never changed
document    a few bytes that change, by compare-and-swap: who writes says which version it has seen
lease       the right to be the only one at work on something, which ends with its holder
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import msgspec

from components.artefacts.errors import HostError

Room = Literal[
    "snapshots",  # immutable Parquet, named after its content
    "validated",  # which rows of a snapshot are kept
    "quarantine",  # refused rows with their reasons
    "prepared",  # splits, features and the fitted recipe
    "training",  # checkpoints and candidate models
    "evaluations",  # predictions on the hold-out, evidence
    "builds",  # what can be promoted
    "rollouts",  # who serves, one document a workload
    "reports",  # pages for people
    "predictions",  # the prediction log of the data plane
    "runs",  # what ran when and why
    "registry",  # MLflow's database and artifacts
    "prefect",  # the orchestrator's database, results of stages
    "bentoml",  # Bento store
    "keys",  # the key that builds are signed with
    "cache",  # which entries of an object storage lie here
]

# How long a holder may be silent before somebody else takes its lease.
LEASE_SECONDS = 30.0


class StoreError(HostError):
    """A store cannot be reached, or does not have what a reference names."""


class ConflictError(StoreError):
    """Somebody else has written a document since it was read: nothing was written."""


class Document(msgspec.Struct, frozen=True):
    """A document as it was read; ``version`` is what a writer says that it has seen."""

    data: bytes
    version: str


class File(msgspec.Struct, frozen=True):
    """A file of an entry."""

    digest: str
    size: int


class Entry(msgspec.Struct, frozen=True):
    """What an entry holds: its files by their names in it, and when it was committed, UTC, ISO 8601."""

    files: Mapping[str, File]
    committed: str

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files.values())


class Store(Protocol):
    """Where entries, documents and leases lie. Every failure to reach it is a StoreError."""

    # The folder of this machine in which entries are made, and where they lie while they are used.
    root: Path
    # Whether what lies in that folder is a copy, and others change what it is a copy of.
    elsewhere: bool

    def where(self, room: Room, name: str = "", file: str = "") -> str:
        """Return where a room, an entry or one of its files lies, for people."""

    def commit(self, room: Room, name: str, folder: Path) -> bool:
        """Make a finished folder of this machine the entry, whole or not at all; False if there is one already.

        The folder is gone if it was taken, and untouched if not.
        """

    def work(self, room: Room, name: str) -> Path:
        """Return the folder of this machine to work on an entry in, with what was published of it, if anything."""

    def publish(self, room: Room, name: str) -> None:
        """Give others what ``work`` has come to, instead of what was published before."""

    def exists(self, room: Room, name: str, file: str = "") -> bool:
        """Say whether an entry is there whole, and has that file; or a document of that name."""

    def local(self, room: Room, name: str, file: str = "") -> Path:
        """Return an entry, one of its files, or a document as a path of this machine; fetched if it is elsewhere."""

    def read(self, room: Room, name: str, file: str) -> bytes:
        """Return the bytes of a file of an entry, without fetching the others; StoreError if it is not there."""

    def entry(self, room: Room, name: str) -> Entry | None:
        """Return what an entry holds, None if there is none; digests may be left empty."""

    def names(self, room: Room, below: str = "") -> tuple[str, ...]:
        """Return the last parts of the names of the entries of a room, or directly below a name in it, in order."""

    def delete(self, room: Room, name: str) -> None:
        """Delete an entry; one that is not there is deleted already."""

    def read_document(self, room: Room, name: str) -> Document | None:
        """Return a document, None if there is none."""

    def write_document(self, room: Room, name: str, data: bytes, seen: str | None) -> str:
        """Write a document and return its version; ConflictError unless it still is the version that was ``seen``.

        None: there was none.
        """

    def delete_document(self, room: Room, name: str) -> None:
        """Delete a document, whatever its version; one that is not there is deleted already."""

    def documents(self, room: Room) -> tuple[str, ...]:
        """Return the names of the documents of a room, in order."""

    def sweep(self) -> int:
        """Delete what killed processes have sent to another place than ``root``; return how much it was."""

    def lease(
        self,
        room: Room,
        name: str,
        holder: str,
        *,
        wait_seconds: float | None = None,
        waiting: Callable[[str], None] = lambda holder: None,
    ) -> AbstractContextManager[None]:
        """Hold a lease for the length of a block; HostError if somebody else holds it for longer than that.

        ``waiting`` is told once who does. What must not be written twice is guarded by the document's version.
        """


def checked(name: str) -> str:
    """Return a name of an entry, a document or a file; StoreError unless it is a relative path that stays below."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or str(PurePosixPath(*parts)) != name:
        raise StoreError(f"{name!r} is no name in a store: a relative path without '..' is one")
    return name
