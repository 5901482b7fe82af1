"""The files of a folder, read without following links, so that the bytes that were checked are the bytes that are used.

The folder is held open: files that are put in its place meanwhile, or in the place of a folder above it, are not read.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.artefacts.errors import BuildError

READ = os.O_RDONLY | os.O_CLOEXEC


class SealedFiles:
    """A folder that is held open; paths in it are given with ``/`` between their parts."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def names(self) -> list[str]:
        """Return every file, sorted; BuildError for what is neither a file nor a folder, and for an empty folder."""
        found = []
        for place, folders, files, descriptor in os.fwalk(".", dir_fd=self._descriptor, follow_symlinks=False):
            for name in (*folders, *files):
                told = os.path.normpath(os.path.join(place, name))  # noqa: PTH118 -- names relative to a descriptor
                mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
                if stat.S_ISREG(mode):
                    found.append(told)
                elif not stat.S_ISDIR(mode):
                    kind = "a link" if stat.S_ISLNK(mode) else "no ordinary file"
                    raise BuildError(f"{self._path / told} is {kind}, and a build holds files alone: do not use it")
            if not folders and not files and place != ".":
                raise BuildError(f"{self._path / place} is an empty folder, which no build holds: do not use it")
        return sorted(found)

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file; FileNotFoundError if there is none, BuildError if it is too large or no file."""
        with self._opened(name) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise BuildError(f"{self._path / name} has more than {limit:,} bytes: do not use this build")
        return data

    def read_up_to(self, name: str, limit: int) -> tuple[str, bytes | None]:
        """Return the SHA-256 of a file and its bytes, None if there are more than ``limit``; it is read once."""
        with self._opened(name) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            if os.fstat(descriptor).st_size > limit:
                return hashlib.file_digest(file, "sha256").hexdigest(), None
            data = file.read()
        return hashlib.sha256(data).hexdigest(), data

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        *folders, last = name.split("/")
        held = [self._descriptor]
        try:
            for folder in folders:
                held.append(os.open(folder, READ | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held[-1]))
            # Not blocking: opening a pipe would wait for whoever writes into it.
            held.append(os.open(last, READ | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=held[-1]))
            if not stat.S_ISREG(os.fstat(held[-1]).st_mode):
                raise BuildError(f"{self._path / name} is not a file: do not use this build")
            yield held[-1]
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise BuildError(f"{self._path / name} is a link, and a build holds none: do not use it") from None
            raise
        finally:
            for descriptor in held[1:]:
                os.close(descriptor)


@contextmanager
def sealed_files(path: Path) -> Iterator[SealedFiles]:
    """Hold a folder open for the length of the block; BuildError if it is none, or it or its files cannot be read."""
    try:
        descriptor = os.open(path, READ | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise BuildError(f"{path} is not a build: there is no such folder") from None
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} cannot be read: {error}") from None
    try:
        yield SealedFiles(path, descriptor)
    except FileNotFoundError as error:
        raise BuildError(f"{path}: {error.filename} went away while it was read; try again") from None
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error.strerror or error}") from None
    finally:
        os.close(descriptor)
