"""Who serves: one small document a workload, written atomically, that pipeline and data plane meet in.

The pipeline writes it (components/promotion/rollouts.py), the data plane reads it and changes over when it changes;
nothing else passes between them.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from components.artefacts.errors import BuildError
from components.artefacts.storage import write_json

FORMAT = 1


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger: MLflow keeps no history of aliases."""

    at: str
    action: Literal["promote", "rollback"]
    build_id: str
    replaced: str | None
    reason: str
    # The file in the folder of the workload that says what it was judged by; none before there were such files.
    evidence: str | None = None


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a workload's serving: the champion, the one to go back to, and how it came about.

    ``version`` counts the changes. Paths are relative to the document's folder where the build lies in the same home.
    """

    format: int = FORMAT
    version: int = 0
    workload: str
    champion: str | None = None
    champion_path: str | None = None
    previous: str | None = None
    previous_path: str | None = None
    history: tuple[Change, ...] = ()


def rollout_path(rollouts: Path, workload: str) -> Path:
    """Return where a workload's document lies."""
    return rollouts / f"{workload}.json"


def place_of(document: Path, build: Path) -> str:
    """Return how a build is named in a document: by where it lies from there if both are in one home."""
    home = document.parent.parent
    return os.path.relpath(build, document.parent) if build.is_relative_to(home) else str(build)


def folder_of(document: Path, place: str) -> Path:
    """Return the folder of a build that a document names, also if the home was moved since."""
    folder = Path(os.path.normpath(document.parent / place))
    # Documents that were written before places were relative name the home as it was.
    beside = document.parent.parent / "builds" / folder.name
    return beside if not folder.exists() and beside.exists() else folder


def read_rollout(path: Path, workload: str) -> Rollout:
    """Return the document that lies on this machine, or an empty one if nothing was ever promoted."""
    try:
        return parse_rollout(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Rollout(workload=workload)
    except OSError as error:
        raise BuildError(f"{path}, which says who serves {workload}, cannot be read: {error.strerror}") from error


def parse_rollout(data: bytes, where: str) -> Rollout:
    """Return a document from its bytes; BuildError with ``where`` they lie if they are none."""
    try:
        return msgspec.json.decode(data, type=Rollout)
    except msgspec.MsgspecError as error:
        raise BuildError(f"{where} is not a rollout document: {error}") from error


def promoted(rollout: Rollout, build_id: str, path: Path | str, reason: str, evidence: str | None = None) -> Rollout:
    """Return the document with a new champion; the old one becomes the one to go back to.

    The champion itself, judged again, serves from where it was judged last; the one to go back to stays.
    """
    again = build_id == rollout.champion
    if again and str(path) == rollout.champion_path:
        return rollout
    change = Change(
        at=_now(), action="promote", build_id=build_id, replaced=rollout.champion, reason=reason, evidence=evidence
    )
    return msgspec.structs.replace(
        rollout,
        version=rollout.version + 1,
        champion=build_id,
        champion_path=str(path),
        previous=rollout.previous if again else rollout.champion,
        previous_path=rollout.previous_path if again else rollout.champion_path,
        history=(*rollout.history, change),
    )


def rolled_back(rollout: Rollout, reason: str) -> Rollout:
    """Return the document with champion and predecessor exchanged; BuildError if there is none to go back to."""
    if rollout.previous is None or rollout.previous_path is None:
        raise BuildError(
            f"{rollout.workload} has no earlier champion to go back to"
            + (f"; {rollout.champion} is its first" if rollout.champion else ": nothing was ever promoted")
        )
    change = Change(at=_now(), action="rollback", build_id=rollout.previous, replaced=rollout.champion, reason=reason)
    return msgspec.structs.replace(
        rollout,
        version=rollout.version + 1,
        champion=rollout.previous,
        champion_path=rollout.previous_path,
        previous=rollout.champion,
        previous_path=rollout.champion_path,
        history=(*rollout.history, change),
    )


def write_rollout(path: Path, rollout: Rollout) -> Path:
    """Write the document on this machine, atomically: a reader sees the old state or the new one."""
    return write_json(path, rollout)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
