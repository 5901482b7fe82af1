"""What a stage's result depends on, in four parts a person can compare: data, code, settings, environment.

The digest of the parts is the cache key. The parts themselves are kept, so that ``slipway status`` can say which of
them changed: a file of code, a key of the workload file, a package.
"""

import functools
import platform
from collections.abc import Iterable
from typing import Any

import msgspec

from components.artefacts.storage import digest_json
from components.imported_code import code_of
from components.provenance import dependency_graph

# Characters of a value that are told whole, and of what stands around a difference.
SHOWN, AROUND = 40, 16


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
    code = code_of(sorted(modules))
    return StageKey(
        stage=stage,
        data=data,
        code=code.digests(),
        settings=settings,
        environment={**code.packages, **environment_part()},
    )


def code_part(modules: tuple[str, ...]) -> dict[str, str]:
    """Return the digest of every file, ours or the user's, that the modules import, directly or not, by its name."""
    return code_of(modules).digests()


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
                was, is_now = _apart(old.get(name), new.get(name))
                found.append(f"{part}: {name} {was} → {is_now}")
    return found


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for name, item in value.items() for k, v in _flat(item, f"{prefix}.{name}".lstrip(".")).items()}
    return {prefix: value}


def _apart(old: Any, new: Any) -> tuple[str, str]:
    """Return two values as texts; of long ones the part that differs, with a little of what stands around it."""
    texts = ["none" if value is None else str(value) for value in (old, new)]
    if max(map(len, texts)) <= SHOWN:
        return texts[0], texts[1]
    same = _alike(*texts)
    alike = _alike(*(text[same:][::-1] for text in texts))
    first, last = max(same - AROUND, 0), max(alike - AROUND, 0)
    before, after = "..." * bool(first), "..." * bool(last)
    was, is_now = (f"{before}{_short(text[first : len(text) - last])}{after}" for text in texts)
    return was, is_now


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _short(text: str) -> str:
    return text if len(text) <= 2 * SHOWN else f"{text[: 2 * SHOWN - 3]}..."
