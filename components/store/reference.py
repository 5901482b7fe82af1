"""References: how what lies in a store is named in results, which other processes and machines read."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, field_validator

from components.store.installation import installed_store
from components.store.store import Room, Store, checked


class Reference(BaseModel):
    """An entry of a store, or a file in one.

    In the process that made it, it belongs to the store it was made for; read from JSON, to the installation's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    room: Room
    name: str
    file: str = ""
    _store: Store | None = PrivateAttr(None)

    @field_validator("name", "file")
    @classmethod
    def _checked(cls, value: str) -> str:
        return checked(value) if value else value

    @classmethod
    def of(cls, store: Store, room: Room, name: str, file: str = "") -> "Reference":
        """Return a reference that belongs to a store."""
        reference = cls(room=room, name=name, file=file)
        reference._store = store
        return reference

    @property
    def store(self) -> Store:
        """The store that it belongs to."""
        return self._store or installed_store()

    def local(self) -> Path:
        """Return it as a path of this machine, fetched if it is elsewhere; nobody may change what lies there."""
        return self.store.local(self.room, self.name, self.file)

    def exists(self) -> bool:
        """Say whether it is still there, whole."""
        return self.store.exists(self.room, self.name, self.file)

    def read(self) -> bytes:
        """Return the bytes of the file, without fetching what lies beside it."""
        return self.store.read(self.room, self.name, self.file)

    def __truediv__(self, file: str) -> "Reference":
        reference = Reference(room=self.room, name=self.name, file=f"{self.file}/{file}" if self.file else file)
        reference._store = self._store
        return reference

    def __str__(self) -> str:
        return self.store.where(self.room, self.name, self.file)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._named() == other._named()

    def __hash__(self) -> int:
        return hash(self._named())

    def _named(self) -> tuple[str, str, str]:
        return self.room, self.name, self.file


def references(value: Any) -> set[Reference]:
    """Return every reference in a result, however deep."""
    if isinstance(value, Reference):
        return {value}
    if isinstance(value, BaseModel):
        return {found for name in type(value).model_fields for found in references(getattr(value, name))}
    if isinstance(value, dict):
        return {found for item in value.values() for found in references(item)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return {found for item in value for found in references(item)}
    return set()
