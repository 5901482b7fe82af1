"""The builds of a home: one folder a sealing, never changed once it is there.

A build that is made again has the same id; judged again, with other gates or on another day, it is sealed again and
lies beside the first: ``<id>``, ``<id>.2``, ``<id>.3``. The latest is the one that is meant by the id; who serves an
earlier one goes on with it, for both answer alike.
"""

import itertools
import os
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from components.artefacts.build import Build, open_build
from components.artefacts.errors import BuildError

FOLDER = re.compile(r"([a-z][a-z0-9_]{0,62}-[0-9a-f]{12})(?:\.([1-9][0-9]*))?")


def keep_build(folder: Path, builds: Path, public_key: Path) -> Path:
    """Move a sealed and signed folder among the builds and return its place; one that is there already stays."""
    made = open_build(folder, public_key)
    for number in itertools.count(1):
        target = builds / (made.build_id if number == 1 else f"{made.build_id}.{number}")
        if not os.path.lexists(target):
            folder.chmod(0o755)
            try:
                folder.rename(target)
            except OSError:
                if not target.exists():
                    raise
            else:
                return target
        if _is_same(target, made):
            shutil.rmtree(folder)
            return target
    raise AssertionError("there is no last number")


def _is_same(target: Path, made: Build) -> bool:
    try:
        return open_build(target, made.public_key).manifest.files == made.manifest.files
    except BuildError:
        # Damaged, or of somebody else's: what was just made is not thrown away for it.
        return False


def folder_of_build(builds: Path, build_id: str) -> Path:
    """Return where the latest sealing of a build lies; BuildError if there is none, or this is no id."""
    if (found := FOLDER.fullmatch(build_id)) is None or found[2]:
        raise BuildError(f"'{build_id}' is no build id: a workload, a dash and twelve digits and letters a to f")
    known = sealings(builds).get(build_id)
    if not known:
        raise BuildError(f"there is no build {build_id} in {builds}")
    return known[-1]


def sealings(builds: Path) -> dict[str, list[Path]]:
    """Return the folders of every build by its id, the latest sealing last."""
    found = sorted(
        (match[1], int(match[2] or 1), path)
        for path in (builds.iterdir() if builds.is_dir() else ())
        if (match := FOLDER.fullmatch(path.name))
    )
    return {name: [path for _, _, path in some] for name, some in itertools.groupby(found, key=lambda one: one[0])}


def workload_document(build: Build) -> dict[str, Any]:
    """Return the workload file that a build was made with, unparsed."""
    document: dict[str, Any] = yaml.safe_load(build.read("workload.yaml"))
    return document
