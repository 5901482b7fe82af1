"""Bring back the code a build was made by: its commit with the uncommitted changes on top, in a folder of its own."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

from components.errors import BuildError
from components.provenance import ROOT
from components.reproduction.recorded import DIFF, Recorded
from components.storage import digest_file

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
    found = subprocess.run(
        ["git", "-C", str(root), "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, timeout=30
    )
    return found.returncode == 0


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
    """Return the recorded files that are not the same in a folder; an absolute path stays where it is."""
    found = []
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif digest_file(path)[: len(digest)] != digest:
            found.append(f"{name} differs")
    return found


def _names(differing: list[str]) -> str:
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return ", ".join(differing[:SHOWN]) + more
