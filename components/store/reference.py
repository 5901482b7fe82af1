"""References: how what lies in a store is named in results, which other processes and machines read.

class Split(Result):
    stored: Reference = Field(alias="path")     # what is kept and handed on: room, name, file

    @property
    def path(self) -> Path:                     # where it lies on this machine, fetched when it is asked for
        return self.stored.local()
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from components.store.installation import installed_store
from components.store.store import Room, Store, StoreError, checked

Report = Callable[[str, int, int], None]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Reference:
    """An entry of a store, or a file in one.

    In the process that made it, it belongs to the store it was made for; read from JSON, to the installation's. One
    that was made of a path is of this process alone: it cannot be handed on.
    """

    room: Room | None
    name: str
    file: str = ""
    _store: Store | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.room is not None:
            checked(self.name)
            if self.file:
                checked(self.file)

    @classmethod
    def of_path(cls, path: Path) -> "Reference":
        """Return a reference to what lies in no store: a benchmark's file, a test's."""
        return cls(None, str(path))

    def local(self) -> Path:
        """Return it as a path of this machine, fetched if it is elsewhere; nobody may change what lies there."""
        if self.room is None:
            return Path(self.name, self.file)
        return self._of().local(self.room, self.name, self.file)

    def exists(self) -> bool:
        """Say whether it is still there, whole."""
        if self.room is None:
            return self.local().exists()
        return self._of().exists(self.room, self.name, self.file)

    def read(self) -> bytes:
        """Return the bytes of the file, without fetching what lies beside it."""
        if self.room is None:
            return self.local().read_bytes()
        return self._of().read(self.room, self.name, self.file)

    def __truediv__(self, file: str) -> "Reference":
        return Reference(self.room, self.name, f"{self.file}/{file}" if self.file else file, self._store)

    def __str__(self) -> str:
        return str(self.local()) if self.room is None else self._of().where(self.room, self.name, self.file)

    def __reduce__(self) -> tuple[type["Reference"], tuple[Room | None, str, str]]:
        # A store holds connections, which do not travel.
        return Reference, (self.room, self.name, self.file)

    def _of(self) -> Store:
        return self._store or installed_store()

    def _address(self) -> dict[str, str]:
        if self.room is None:
            raise StoreError(f"{self.local()} lies in no store: it cannot be handed on")
        return {"room": self.room, "name": self.name, "file": self.file}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _reference,
            serialization=core_schema.plain_serializer_function_ser_schema(
                Reference._address, when_used="json", return_schema=core_schema.dict_schema()
            ),
        )


def _reference(value: Any) -> Reference:
    if isinstance(value, Reference):
        return value
    if isinstance(value, Path):
        return Reference.of_path(value)
    if isinstance(value, dict) and value.keys() == {"room", "name", "file"}:
        named = {key: str(text) for key, text in value.items()}
        try:
            return Reference(_ROOM.validate_python(named["room"]), named["name"], named["file"])
        except StoreError as error:
            raise ValueError(str(error)) from error
    raise ValueError(f"{str(value)[:80]!r} is no reference into a store")


_ROOM: TypeAdapter[Room] = TypeAdapter(Room)


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


def settled(result: Made, folder: Path, entry: Reference) -> Made:
    """Return a result in which what lies below a folder of this machine is named by an entry of the store instead."""
    if isinstance(result, Reference):
        path = result.local() if result.room is None else None
        inside = path is not None and path.is_relative_to(folder)
        return cast(Made, _within(entry, path.relative_to(folder))) if path is not None and inside else result
    if isinstance(result, BaseModel):
        named = {name: getattr(result, name) for name in type(result).model_fields}
        return result.model_copy(update={name: settled(value, folder, entry) for name, value in named.items()})
    if isinstance(result, dict):
        return cast(Made, {name: settled(value, folder, entry) for name, value in result.items()})
    if isinstance(result, (list, tuple)):
        return cast(Made, type(result)([settled(value, folder, entry) for value in result]))
    return result


def _within(entry: Reference, below: Path) -> Reference:
    return entry / below.as_posix() if below.parts else entry


def made_in(entry: Reference, make: Callable[[Path], Made]) -> Made:
    """Have something made in the folder of an entry, publish it, and return what came of it with references into it.

    What was made there before, also by a process that was killed on this machine, is found again.
    """
    assert entry.room is not None
    return published(make(entry._of().work(entry.room, entry.name)), entry)


def handed_on(entry: Reference, report: Report, seconds: float) -> Report:
    """Return a report of progress that also publishes what an entry has come to, if that is longer ago than that.

    So another machine goes on with what was begun here and was killed. In a folder it is there already.
    """
    assert entry.room is not None
    room, name, store, last = entry.room, entry.name, entry._of(), time.monotonic()

    def told(what: str, done: int, total: int) -> None:
        nonlocal last
        report(what, done, total)
        if store.elsewhere and time.monotonic() - last >= seconds:
            # What cannot be sent now is sent next time, or not needed: the end of the work says it if not.
            with contextlib.suppress(StoreError):
                store.publish(room, name)
            last = time.monotonic()

    return told


def published(result: Made, entry: Reference) -> Made:
    """Publish an entry's folder of this machine, and return what was made in it with references into it."""
    assert entry.room is not None
    store = entry._of()
    store.publish(entry.room, entry.name)
    return settled(result, store.local(entry.room, entry.name), entry)
