"""What a stage's result depends on, in four parts a person can compare: data, code, settings, environment.

The digest of the parts is the cache key. The parts themselves are kept, so that ``slipway status`` can say which of
them changed: a file of code, a key of the workload file, a package.
"""

import ast
import functools
import importlib.util
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from components.provenance import ROOT, dependency_graph
from components.storage import digest_file, digest_json

PACKAGES = ("flows", "tasks", "components", "deployments", "data_contracts")
# Orchestration: it decides when a stage runs, never what comes out.
NOT_PART_OF_A_RESULT = ("tasks.stage", "components.stage_keys", "components.run_ledger", "components.provenance")


class StageKey(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a key; each maps a name to the digest or value of that one thing."""

    stage: str
    data: dict[str, str]
    code: dict[str, str]
    settings: dict[str, Any]
    environment: dict[str, str]

    @property
    def digest(self) -> str:
        return f"{self.stage}-{digest_json(self)[:32]}"


def stage_key(stage: str, *, modules: Iterable[str], data: dict[str, str], settings: dict[str, Any]) -> StageKey:
    """Return the key of a stage whose code starts at ``modules``."""
    return StageKey(
        stage=stage,
        data=data,
        code=code_part(tuple(sorted(modules))),
        settings=settings,
        environment=environment_part(),
    )


def code_part(modules: tuple[str, ...]) -> dict[str, str]:
    """Return the digest of every first-party file that the modules import, directly or not, by its path."""
    files: dict[str, str] = {}
    waiting = list(modules)
    seen = set(NOT_PART_OF_A_RESULT)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _source(module)
        if path is None:
            continue
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        if path.stat().st_size:
            files[name] = digest_file(path)[:16]
        waiting.extend(_imports(path))
    return dict(sorted(files.items()))


def _source(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] in PACKAGES:
        # Not find_spec: it imports parent packages, and a name may be a function of a module instead of a module.
        for path in (ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts, "__init__.py")):
            if path.is_file():
                return path
    # A contract of the user's own may lie anywhere that can be imported.
    try:
        spec = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imports(path: Path) -> set[str]:
    """Return the first-party modules named by a file's import statements, wherever in the file they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] in PACKAGES}


@functools.cache
def environment_part() -> dict[str, str]:
    """Return the version of Python, of the processor's architecture and of every package that Slipway needs."""
    versions = {name: package.version for name, package in dependency_graph().items() if name != "slipway"}
    return {"python": platform.python_version(), "machine": platform.machine(), **versions}


def differences(before: StageKey | None, now: StageKey) -> list[str]:
    """Say which things of which part changed between two keys of a stage; empty if none did."""
    if before is None:
        return ["first run"]
    found = []
    for part in ("data", "code", "settings", "environment"):
        old, new = _flat(getattr(before, part)), _flat(getattr(now, part))
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name):
                continue
            if part == "code":
                found.append(f"code: {name} changed" if name in old and name in new else f"code: {name} came or went")
            elif part == "data":
                found.append(f"data: {name} changed")
            else:
                found.append(f"{part}: {name} {_short(old.get(name))} → {_short(new.get(name))}")
    return found


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for name, item in value.items() for k, v in _flat(item, f"{prefix}.{name}".lstrip(".")).items()}
    return {prefix: value}


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
