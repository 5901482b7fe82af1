"""Bring back the code a build was made by: its commit with the uncommitted changes on top, in a folder of its own."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import data_contracts
from components.artefacts.errors import BuildError
from components.artefacts.storage import digest_file
from components.provenance import ROOT, git
from components.reproduction.recorded import DIFF, Recorded

SHOWN = 5


def restore_code(recorded: Recorded, folder: Path, root: Path = ROOT) -> tuple[Path, str]:
    """Return where the recorded code lies and, in words, where it came from.

    The commit is exported from the repository at ``root`` into ``folder``, and the recorded changes are applied. If the
    repository does not have the commit, the running code serves where every file of it is the recorded one, byte by
    byte. BuildError if neither gives the recorded code.
    """
    code = recorded.code
    if code.commit is not None and _has(root, code.commit):
        _export(root, code.commit, folder)
        changed = b"diff --git" in recorded.diff
        if changed:
            _apply(recorded, folder)
        differing = _differing(code.files, folder)
        if differing:
            raise BuildError(
                f"build {recorded.build.build_id}: commit {code.commit[:12]} with {DIFF} is not the code that made it "
                f"({_names(differing)}): files outside of git may have changed since"
            )
        return folder, f"commit {code.commit[:12]}" + (" with its uncommitted changes" if changed else "")
    missing = (
        f"commit {code.commit[:12]} is not in the repository at {root}"
        if code.commit
        else "it was not made from a git checkout"
    )
    differing = _differing(code.files, root) if code.files else ["no file of it was recorded"]
    if differing:
        raise BuildError(
            f"build {recorded.build.build_id}: its code cannot be reached: {missing}, and the running code is not the "
            f"recorded one ({_names(differing)}). Fetch the commit (git fetch --all), or install slipway "
            f"{code.version} as it was"
        )
    return root, f"the running code, file by file the recorded one ({missing})"


def _has(root: Path, commit: str) -> bool:
    if not (root / ".git").exists():
        # Installed: a repository above it is somebody else's.
        return False
    try:
        git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _export(root: Path, commit: str, folder: Path) -> None:
    # An archive, not a worktree: the user's repository is only read.
    archive = subprocess.run(
        ["git", "-C", str(root), "archive", "--format=tar", commit], check=True, capture_output=True, timeout=120
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def _apply(recorded: Recorded, folder: Path) -> None:
    # A folder inside of another repository would be taken for a part of that one.
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        input=recorded.diff,
        cwd=folder.resolve(),
        env=alone,
        capture_output=True,
        timeout=120,
    )
    if done.returncode:
        told = " ".join(done.stderr.decode(errors="replace").split())
        raise BuildError(f"build {recorded.build.build_id}: its {DIFF} does not fit its commit: {told}")


def _differing(files: dict[str, str], folder: Path) -> list[str]:
    """Return the recorded files that are not the same in a folder, or where modules of the user's own are found."""
    found = []
    for name, digest in files.items():
        # An absolute path stays where it is.
        path = next((place for place in (folder / name, *_user_files(name)) if place.is_file()), None)
        if path is None:
            found.append(f"{name} is missing")
        elif digest_file(path)[: len(digest)] != digest:
            found.append(f"{name} differs")
    return found


def _user_files(name: str) -> Iterator[Path]:
    """Yield where a module of the user's own may lie; a file of ours is looked for in the restored code alone."""
    package, _, below = name.partition("/")
    if package in ("flows", "tasks", "components", "deployments"):
        return
    yield from (Path(place, name) for place in sys.path if place and Path(place) != ROOT)
    if package == "data_contracts":
        yield from (Path(place, below) for place in data_contracts.__path__ if Path(place).parent != ROOT)


def _names(differing: list[str]) -> str:
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return ", ".join(differing[:SHOWN]) + more
