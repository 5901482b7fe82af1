"""Where a build comes from: the exact dependency graph, the code version with its uncommitted diff, the machine."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

import msgspec

from components.storage import digest_bytes

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"


class Package(msgspec.Struct, frozen=True):
    """An installed distribution and the names of those it needs here."""

    version: str
    requires: tuple[str, ...]


class CodeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The commit the code ran from; ``diff`` is what differed from it, empty if nothing did."""

    version: str
    commit: str | None
    diff: str
    untracked: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return digest_bytes(f"{self.version} {self.commit} {self.diff}".encode())


def dependency_graph(root: str = "slipway") -> dict[str, Package]:
    """Return the installed distributions that ``root`` needs, directly or not, without its optional extras."""
    graph: dict[str, Package] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in graph:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a requirement of another platform or of an extra that is not installed
        needed = sorted({_name(line) for line in distribution.requires or () if _applies(line)})
        graph[name] = Package(distribution.version, tuple(needed))
        waiting.extend(needed)
    installed = {name: Package(p.version, tuple(n for n in p.requires if n in graph)) for name, p in graph.items()}
    return dict(sorted(installed.items()))


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return normalised(found[0])


def normalised(name: str) -> str:
    """Return a distribution's name in the one spelling that PEP 503 gives."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _applies(requirement: str) -> bool:
    from packaging.requirements import Requirement

    parsed = Requirement(requirement)
    return parsed.marker is None or parsed.marker.evaluate({"extra": ""})


def environment_differences(graph: dict[str, Package], constraints: Path = CONSTRAINTS) -> tuple[str, ...]:
    """Name every package of the graph whose version is not the pinned one.

    A local version label is ignored: ``2.13.0+cpu`` and ``2.13.0+cu130`` are builds of one release.
    """
    if not constraints.is_file():
        return (f"there is no constraints file at {constraints} to compare with",)
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


def code_version(root: Path = ROOT) -> CodeVersion:
    """Return the commit and the uncommitted diff of a checkout; outside of one, the installed version alone."""
    version = importlib.metadata.version("slipway")
    if not (root / ".git").exists():
        return CodeVersion(version=version, commit=None, diff="")
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        diff = _git(root, "diff", "HEAD", "--no-color", "--no-ext-diff")
        status = _git(root, "ls-files", "--others", "--exclude-standard")
    except (OSError, subprocess.CalledProcessError):
        return CodeVersion(version=version, commit=None, diff="")
    return CodeVersion(version=version, commit=commit, diff=diff, untracked=tuple(status.splitlines()))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, timeout=30, errors="replace"
    )
    return done.stdout


def machine() -> dict[str, str | int]:
    """Describe the machine: processor, cores that may be used, memory in bytes, operating system, Python."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
