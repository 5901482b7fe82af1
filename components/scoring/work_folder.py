"""The folder beside a target where a run keeps what it has finished, until the target is whole."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from components.artefacts.build import Build
from components.artefacts.errors import DataError, HostError, SourceError
from components.artefacts.storage import digest_json, take_lock
from components.declaration.source import Source

# How parts are cut and kept: a change of it must not find the parts of another way.
FORMAT = 2
NAMED_AFTER = 16
LOCK = "lock"


@contextmanager
def work_folder(build: Build, source: Path, target: Path, part_rows: int, like: Source | None = None) -> Iterator[Path]:
    """Give the folder for these inputs to this run alone; it goes when the run succeeds or its data is at fault.

    After anything else it stays, and the next run goes on from there. What other inputs left behind for the target is
    removed. Raises SourceError without a source, HostError if another run writes the target or nothing can be written.
    """
    if not source.is_file():
        raise SourceError(f"{source} does not exist; give a Parquet, CSV, Arrow or JSON lines file")
    if not target.parent.is_dir():
        raise SourceError(f"cannot write {target}: there is no folder {target.parent}")
    work = target.parent / f".{target.name}.{_key(build, source, part_rows, like)}"
    try:
        if target.is_dir():
            raise SourceError(f"cannot write {target}: it is a folder")
        with _locked(work, target):
            _remove_stale(work, target)
            try:
                yield work
            except DataError:
                shutil.rmtree(work)
                raise
            shutil.rmtree(work)
    except OSError as error:
        raise HostError(f"cannot write {target}: {error.strerror or error}") from error


def _remove_stale(work: Path, target: Path) -> None:
    """Remove what other inputs left behind for the target; HostError if one of them is still at it."""
    for stale in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * NAMED_AFTER}"):
        if stale != work and stale.is_dir():
            try:
                with _locked(stale, target):
                    shutil.rmtree(stale)
            except HostError:
                if {path.name for path in work.iterdir()} == {LOCK}:
                    shutil.rmtree(work)
                raise


def _key(build: Build, source: Path, part_rows: int, like: Source | None) -> str:
    state = source.stat()
    told = [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns]
    # What reads a file decides where its parts end.
    versions = [FORMAT, pa.__version__, pl.__version__]
    written = [like.separator, like.null_values] if like else None
    return digest_json([build.build_id, str(source.resolve()), told, part_rows, versions, written])[:NAMED_AFTER]


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    """Hold a folder, made if it is not there, against other processes; HostError if one of them holds it."""
    while True:
        folder.mkdir(exist_ok=True)
        # A file, not the folder itself: network file systems lock only what is open for writing.
        with (folder / LOCK).open("wb") as lock:
            if not take_lock(lock):
                raise HostError(f"another run is writing {target}: wait for it, or name another file")
            # Who held it before may have removed it meanwhile.
            if _is_at(lock, folder / LOCK):
                yield
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
