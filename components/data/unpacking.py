"""Packed files, unpacked block by block up to a limit: a zip bomb ends in an error, not in a full disk."""

import gzip
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from components.errors import SourceError

PACKED = (".gz", ".zip")
BLOCK = 2**20


class Readable(Protocol):
    """What is read in blocks."""

    def read(self, size: int, /) -> bytes: ...


def unpack(file: Path, scratch: Path, limit: int, declared: int) -> list[Path]:
    """Unpack a .gz or .zip file into ``scratch`` and return what was in it, sorted by name.

    Raises SourceError for a file that is damaged, encrypted, empty, or larger than ``limit`` bytes when unpacked
    (``declared`` is the source's whole allowance, to be named in the message).
    """
    folder = scratch / f"{len(list(scratch.iterdir()))}-{file.name}"
    folder.mkdir()
    try:
        if file.suffix.lower() == ".gz":
            with gzip.open(file, "rb") as stream:
                return [_copy(stream, folder / (file.stem or "rows"), file, limit, declared)]
        return _members(file, folder, limit, declared)
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError) as error:
        raise SourceError(f"source {file} is damaged and cannot be unpacked: {error}") from error
    except RuntimeError as error:
        # What zipfile raises for an encrypted member.
        raise SourceError(f"source {file} cannot be unpacked: {error}") from error


def _members(file: Path, folder: Path, limit: int, declared: int) -> list[Path]:
    unpacked: list[Path] = []
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and _is_data(member.filename)]
        if not members:
            raise SourceError(f"source {file} holds no file")
        for index, member in enumerate(sorted(members, key=lambda member: member.filename)):
            # A name from an archive may point anywhere: only its last part is used.
            target = folder / f"{index:06d}-{PurePosixPath(member.filename).name}"
            with archive.open(member) as stream:
                unpacked.append(_copy(stream, target, file, limit, declared))
            limit -= target.stat().st_size
    return unpacked


def _is_data(name: str) -> bool:
    return not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")


def _copy(stream: Readable, target: Path, file: Path, limit: int, declared: int) -> Path:
    left = limit
    with target.open("wb") as out:
        while block := stream.read(BLOCK):
            left -= len(block)
            if left < 0:
                raise SourceError(
                    f"source {file} unpacks to more than {declared:,} bytes: if that is right, raise "
                    "source.max_unpacked_bytes"
                )
            out.write(block)
    return target
