"""Packed files, unpacked block by block up to a limit: a zip bomb ends in an error, not in a full disk."""

import errno
import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from components.artefacts.errors import SourceError
from components.data.sources.found_files import is_paper

PACKED = (".gz", ".zip")
BLOCK = 2**20
# What the readers of the standard library raise for bytes that are not what they should be.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    struct.error,
    ValueError,
    IndexError,
    MemoryError,
)


class Located(NamedTuple):
    """A file of a source: where its bytes are, and what the user knows it by. Its format shows in the first."""

    place: Path | str
    name: str


class Readable(Protocol):
    """What is read in blocks."""

    def read(self, size: int, /) -> bytes: ...


def unpack(
    packed: Path,
    name: str,
    scratch: Path,
    limit: int,
    declared: int,
    endings: Collection[str],
    *,
    or_any: bool = False,
) -> list[Located]:
    """Unpack a .gz or .zip file into ``scratch`` and return what was in it, sorted by name.

    Of a .zip, the files with one of these endings are taken, as of a folder; all without endings, or where none has one
    and ``or_any``. A README and its like are no data. Raises SourceError for a file that is damaged, encrypted, without
    data, or larger than ``limit`` bytes when unpacked (``declared`` is the source's whole allowance, for the message).
    """
    folder = scratch / f"unpacked-{len(list(scratch.iterdir()))}"
    folder.mkdir()
    room = _Room(name, limit, declared)
    if packed.suffix.lower() == ".gz":
        target = folder / f"rows{Path(packed.stem).suffix}"
        with gzip.open(packed, "rb") as stream:
            room.fill(target, stream)
        return [Located(target, name)]
    return _members(packed, folder, room, endings, or_any)


def _members(packed: Path, folder: Path, room: "_Room", endings: Collection[str], or_any: bool) -> list[Located]:
    unpacked = []
    with _intact(room.name), zipfile.ZipFile(packed) as archive:
        for index, member in enumerate(_data(archive, room.name, endings, or_any)):
            # A name from an archive may point anywhere, and be of any length: only its ending is used.
            target = folder / f"{index:06d}{PurePosixPath(member.filename).suffix[:20]}"
            with archive.open(member) as stream:
                room.fill(target, stream)
            unpacked.append(Located(target, f"{room.name}: {_shown(member)}"))
    return unpacked


def _data(archive: zipfile.ZipFile, name: str, endings: Collection[str], or_any: bool) -> list[zipfile.ZipInfo]:
    found = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
    if not found:
        raise SourceError(f"source {name} holds no file")
    likely = [member for member in found if not is_paper(member.filename)]
    data = [member for member in likely if PurePosixPath(member.filename).suffix.lower() in endings]
    data = data or (likely if or_any or not endings else [])
    if not data:
        shown = ", ".join(_shown(member) for member in found[:3]) + (", ..." if len(found) > 3 else "")
        raise SourceError(
            f"source {name} holds no data file ({', '.join(endings)}), only {shown}: pack the data itself, or give "
            "source.format"
        )
    return sorted(data, key=lambda member: member.filename)


def _is_hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _shown(member: zipfile.ZipInfo) -> str:
    flat = " ".join(member.filename.split())
    return flat if len(flat) <= 80 else f"{flat[:40]}...{flat[-37:]}"


class _Room:
    """What may still be unpacked of a source; ``name`` is that of the packed file."""

    def __init__(self, name: str, limit: int, declared: int) -> None:
        self.name = name
        self._left = limit
        self._declared = declared

    def fill(self, target: Path, stream: Readable) -> None:
        """Copy a stream into a file, as far as the room goes."""
        with target.open("wb") as out:
            for block in self._blocks(stream):
                self._left -= len(block)
                if self._left < 0:
                    raise SourceError(
                        f"source {self.name} unpacks to more than {self._declared:,} bytes: if that is right, raise "
                        "source.max_unpacked_bytes"
                    )
                out.write(block)

    def _blocks(self, stream: Readable) -> Iterator[bytes]:
        with _intact(self.name):
            while block := stream.read(BLOCK):
                yield block


@contextmanager
def _intact(name: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise SourceError(
            f"source {name} is packed in a way that is not read ({error}): pack it with deflate"
        ) from error
    except RuntimeError as error:
        # What zipfile raises for an encrypted member.
        raise SourceError(f"source {name} cannot be unpacked: {error}; pack it without a password") from error
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            # What the machine says (the disk is full, the file may not be read) is no damage.
            raise
        told = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"source {name} is damaged and cannot be unpacked: {told[:200]}. Fetch it again") from error
