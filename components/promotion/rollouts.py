"""The rollout documents in the store: read, and changed by whoever has seen their last state.

A data plane reads a file of its machine: where the store is elsewhere, the home holds a copy that follows it.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from components.artefacts.build import Build, open_build
from components.artefacts.errors import BuildError, SlipwayError
from components.artefacts.rollout import Rollout, folder_of, parse_rollout, rollout_path
from components.artefacts.storage import this_process
from components.builds.signing import public_key_path
from components.settings import Home, Settings
from components.store.store import ConflictError, Document, Room, Store, StoreError

ROOM: Room = "rollouts"
# A change is a few small files and a call of the registry.
LOCK_SECONDS = 60.0
# How often it is looked at whether somebody else serves.
FOLLOW_SECONDS = 2.0


class RolloutMovedError(BuildError):
    """Somebody else changed who serves after a decision about it began."""


def rollout_of(store: Store, workload: str) -> Rollout:
    """Return a workload's document, or an empty one if nothing was ever promoted."""
    return _parsed(store, workload, _document(store, workload))


@contextmanager
def alone(store: Store, workload: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Keep others from changing who serves for the length of the block; HostError if somebody does for too long."""
    with store.lease(ROOM, workload, this_process(), wait_seconds=seconds):
        yield


@contextmanager
def unmoved(store: Store, before: Rollout, seconds: float = LOCK_SECONDS) -> Iterator[Callable[[Rollout], None]]:
    """Keep others from changing a document for the length of the block, and yield what writes it.

    Raises RolloutMovedError if it is not what it was ``before``, HostError if somebody else holds it for too long.
    """
    with alone(store, before.workload, seconds):
        found = _document(store, before.workload)
        now = _parsed(store, before.workload, found)
        if now != before:
            raise RolloutMovedError(_moved(before, now))

        def write(after: Rollout) -> None:
            data = msgspec.json.format(msgspec.json.encode(after), indent=2) + b"\n"
            try:
                store.write_document(ROOM, _name(before.workload), data, found.version if found else None)
            except ConflictError:
                raise RolloutMovedError(_moved(before, rollout_of(store, before.workload))) from None

        yield write


def copy_of(home: Home, workload: str) -> Path:
    """Return the document as a file of this machine, with the builds that it names; what a data plane follows."""
    path = rollout_path(home.room(ROOM), workload)
    rollout = rollout_of(home.store, workload)
    for place in (rollout.champion_path, rollout.previous_path):
        if place is not None:
            folder_in(home, workload, place)
    if rollout.champion is not None:
        home.store.local(ROOM, _name(workload))
    return path


@contextmanager
def followed(home: Home, workload: str) -> Iterator[Path]:
    """Yield the document as a file of this machine, kept as the store's is for the length of the block."""
    document = copy_of(home, workload)
    if not home.store.elsewhere:
        yield document
        return
    ended = threading.Event()
    follower = threading.Thread(target=_follow, args=(home, workload, ended), name="rollout-copy", daemon=True)
    follower.start()
    try:
        yield document
    finally:
        ended.set()
        follower.join()


def _follow(home: Home, workload: str, ended: threading.Event) -> None:
    # Not the store's state now: who serves may have changed since the copy was made.
    seen: Rollout | None = None
    told = ""
    while not ended.wait(FOLLOW_SECONDS):
        try:
            now = rollout_of(home.store, workload)
            if now != seen:
                copy_of(home, workload)
            seen, told = now, ""
        except (SlipwayError, OSError) as error:
            # What serves goes on; it is looked at again.
            if str(error) != told:
                sys.stderr.write(f"slipway: {error}\n")
            told = str(error)


def folder_in(home: Home, workload: str, place: str) -> Path:
    """Return the folder of a build that a workload's document names, fetched if it is elsewhere."""
    folder = folder_of(rollout_path(home.room(ROOM), workload), place)
    return home.store.local("builds", folder.name) if folder.parent == home.room("builds") else folder


def open_champion(rollout: Rollout, home: Home, settings: Settings) -> Build:
    """Open the build that a document says serves; BuildError if it is not there, or was changed."""
    try:
        folder = folder_in(home, rollout.workload, rollout.champion_path or "")
    except StoreError as error:
        raise BuildError(f"the champion {rollout.champion} cannot be opened: {error}") from error
    return open_build(folder, public_key_path(settings.key()), build_id=rollout.champion)


def _name(workload: str) -> str:
    return f"{workload}.json"


def _document(store: Store, workload: str) -> Document | None:
    try:
        return store.read_document(ROOM, _name(workload))
    except StoreError as error:
        raise BuildError(f"it cannot be read who serves {workload}: {error}") from error


def _parsed(store: Store, workload: str, found: Document | None) -> Rollout:
    if found is None:
        return Rollout(workload=workload)
    return parse_rollout(found.data, store.where(ROOM, _name(workload)))


def _moved(before: Rollout, now: Rollout) -> str:
    last = now.history[-1] if now.history else None
    told = f" ({last.action} at {last.at}: {last.reason})" if last else ""
    return (
        f"who serves {now.workload} was changed meanwhile: it was {before.champion or 'nothing'}, now it is "
        f"{now.champion or 'nothing'}{told}"
    )
