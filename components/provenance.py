"""Where a build comes from: the exact dependency graph, the code version with its uncommitted diff, the machine."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from components.artefacts.machine import memory_bytes, processor_name, usable_cores
from components.artefacts.storage import digest_bytes

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = "constraints.txt"
# Untracked files of these endings in these folders are code, and belong to the diff; others are named only: they may be
# data, or secrets.
CODE_FOLDERS = ("flows", "tasks", "components", "deployments", "data_contracts")
CODE_ENDINGS = (".py", ".yaml", ".jinja")


class Package(msgspec.Struct, frozen=True):
    """An installed distribution and the names of those it needs here."""

    version: str
    requires: tuple[str, ...]


class CodeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The commit the code ran from; ``diff`` is what differed from it (new files of code too), empty if nothing did."""

    version: str
    commit: str | None
    diff: str
    untracked: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return digest_bytes(f"{self.version} {self.commit} {self.diff}".encode())


def dependency_graph(root: str = "slipway") -> dict[str, Package]:
    """Return the installed distributions that ``root`` needs, directly or not, with the extras that are asked for."""
    graph: dict[str, Package] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a requirement of another platform or of an extra that is not installed
        lines = _own_requirements() if name == "slipway" else distribution.requires
        needed = [found for line in lines or () if (found := _needed(line, extras))]
        # The same package may be needed with and without an extra.
        known = graph[name].requires if name in graph else ()
        graph[name] = Package(distribution.version, tuple(sorted({*known, *(other for other, _ in needed)})))
        waiting.extend(found for found in needed if found not in seen)
        seen.update(needed)
    installed = {name: Package(p.version, tuple(n for n in p.requires if n in graph)) for name, p in graph.items()}
    return dict(sorted(installed.items()))


def _own_requirements() -> list[str] | None:
    """Return what this checkout needs: the metadata of an editable install are as old as the install."""
    declared = _checkout()
    return list(declared["dependencies"]) if declared else importlib.metadata.distribution("slipway").requires


def _checkout() -> dict[str, Any]:
    """Return the project table of the checkout that this code runs from; empty where it was installed."""
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return {}
    # Where it was installed, a file of this name is another package's.
    return dict(project) if project.get("name") == "slipway" else {}


def constraints_file() -> Path | None:
    """Return the list of exact packages that was tested: of the checkout, or the one that was installed along."""
    if _checkout():
        return ROOT / CONSTRAINTS
    files = importlib.metadata.distribution("slipway").files or ()
    return next((Path(str(file.locate())).resolve() for file in files if file.name == CONSTRAINTS), None)


def how_to_pin() -> str:
    """Say how the packages become those that were tested."""
    listed = constraints_file()
    return f"pip install -c {CONSTRAINTS} -e ." if _checkout() else f"pip install -c {listed or CONSTRAINTS} slipway"


def _needed(line: str, extras: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """Return the name and the extras of a requirement, None if it is for another platform or for an extra not asked."""
    from packaging.requirements import Requirement

    parsed = Requirement(line)
    if parsed.marker is not None and not any(parsed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
        return None
    return normalised(parsed.name), frozenset(parsed.extras)


def normalised(name: str) -> str:
    """Return a distribution's name in the one spelling that PEP 503 gives."""
    return re.sub(r"[-_.]+", "-", name).lower()


def environment_differences(graph: dict[str, Package], constraints: Path | None = None) -> tuple[str, ...]:
    """Name every package of the graph whose version is not the pinned one.

    ``constraints`` is the list, that of this installation if not given. A local version label is ignored:
    ``2.13.0+cpu`` and ``2.13.0+cu130`` are builds of one release.
    """
    constraints = constraints or constraints_file()
    if constraints is None or not constraints.is_file():
        return (f"there is no constraints file {constraints or CONSTRAINTS} to compare with: install slipway anew",)
    pinned = {}
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, found, version = line.split("#")[0].strip().partition("==")
        if found:
            pinned[normalised(name)] = version.strip()
    differences = []
    for name, package in graph.items():
        if name == "slipway":
            continue
        if name not in pinned:
            differences.append(f"{name} {package.version} is not in {constraints.name}")
        elif pinned[name].split("+")[0] != package.version.split("+")[0]:
            differences.append(f"{name} is {package.version}, {constraints.name} says {pinned[name]}")
    return tuple(differences)


def code_version(root: Path = ROOT, used: Collection[str] = ()) -> CodeVersion:
    """Return the commit and the uncommitted diff of a checkout; outside of one, the installed version alone.

    ``used`` are files that the build is known to import, by their paths in the checkout: in the diff wherever they lie.
    """
    version = importlib.metadata.version("slipway")
    if not (root / ".git").exists():
        return CodeVersion(version=version, commit=None, diff="")
    try:
        commit = git(root, "rev-parse", "HEAD").strip()
        untracked = git(root, "ls-files", "--others", "--exclude-standard").splitlines()
        diff = _diff(root, [name for name in untracked if name in used or _is_code(name)])
    except (OSError, subprocess.SubprocessError):
        return CodeVersion(version=version, commit=None, diff="")
    return CodeVersion(version=version, commit=commit, diff=diff, untracked=tuple(untracked))


def _is_code(name: str) -> bool:
    return name.partition("/")[0] in CODE_FOLDERS and "/" in name and name.endswith(CODE_ENDINGS)


def _diff(root: Path, new: list[str]) -> str:
    """Return what ``git apply`` needs to get from the commit to the working tree, with these untracked files."""
    with tempfile.TemporaryDirectory() as folder:
        # A copy of the index, so that naming new files in it changes nothing for the user.
        index = Path(folder, "index")
        place = root / git(root, "rev-parse", "--git-path", "index").strip()
        if place.is_file():
            # With its time: by that git knows of which files time and size may be those of another content.
            shutil.copy2(place, index)
        if new:
            git(root, "add", "--intent-to-add", "--", *new, index=index)
        return git(root, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", index=index)


def git(root: Path, *arguments: str, index: Path | None = None) -> str:
    """Run git in a folder and return what it printed; subprocess.SubprocessError if it fails."""
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        check=True,
        capture_output=True,
        timeout=60,
        env=os.environ | ({"GIT_INDEX_FILE": str(index)} if index else {}),
    )
    # Not as text: line ends must stay what they are.
    return done.stdout.decode(errors="replace")


def machine() -> dict[str, str | int]:
    """Describe the machine: processor, cores that may be used, memory in bytes, operating system, Python."""
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "memory_bytes": memory_bytes(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
