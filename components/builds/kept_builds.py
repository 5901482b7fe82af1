"""The builds of a store: one folder a sealing, never changed once it is there.

A build that is made again has the same id; judged again, with other gates or on another day, it is sealed again and
lies beside the first: ``<id>``, ``<id>.2``, ``<id>.3``. The latest is the one that is meant by the id; who serves an
earlier one goes on with it, for both answer alike.
"""

import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from components.artefacts.build import Build, open_build
from components.artefacts.errors import BuildError
from components.store.store import Room, Store

ROOM: Room = "builds"
FOLDER = re.compile(r"([a-z][a-z0-9_]{0,62}-[0-9a-f]{12})(?:\.([1-9][0-9]*))?")


def keep_build(folder: Path, store: Store, public_key: Path) -> Path:
    """Move a sealed and signed folder among the builds and return its place; one that is there already stays."""
    made = open_build(folder, public_key)
    for number in itertools.count(1):
        name = made.build_id if number == 1 else f"{made.build_id}.{number}"
        if store.commit(ROOM, name, folder):
            return store.local(ROOM, name)
        if _is_same(store.local(ROOM, name), made):
            shutil.rmtree(folder)
            return store.local(ROOM, name)
    raise AssertionError("there is no last number")


def _is_same(target: Path, made: Build) -> bool:
    try:
        return open_build(target, made.public_key).manifest.files == made.manifest.files
    except BuildError:
        # Damaged, or of somebody else's: what was just made is not thrown away for it.
        return False


def folder_of_build(store: Store, build_id: str) -> Path:
    """Return where the latest sealing of a build lies; BuildError if there is none, or this is no id."""
    if (found := FOLDER.fullmatch(build_id)) is None or found[2]:
        raise BuildError(f"'{build_id}' is no build id: a workload, a dash and twelve digits and letters a to f")
    known = sealings(store).get(build_id)
    if not known:
        raise BuildError(f"there is no build {build_id} in {store.where(ROOM)}")
    return store.local(ROOM, known[-1])


def sealings(store: Store) -> dict[str, list[str]]:
    """Return the names of every build's sealings by its id, the latest last."""
    found = sorted(
        (match[1], int(match[2] or 1), name) for name in store.names(ROOM) if (match := FOLDER.fullmatch(name))
    )
    return {name: [one for _, _, one in some] for name, some in itertools.groupby(found, key=lambda one: one[0])}


def workload_document(build: Build) -> dict[str, Any]:
    """Return the workload file that a build was made with, unparsed."""
    document: dict[str, Any] = yaml.safe_load(build.read("workload.yaml"))
    return document
