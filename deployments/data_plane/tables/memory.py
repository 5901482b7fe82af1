"""Files in memory that two processes share.

They are used again: to make and clear their pages costs as much as all that is done with what lies in them.
"""

import mmap
import os
import tempfile
import weakref

from components.artefacts.errors import ServingError

# What is kept for the next table; all beyond it is given back.
KEPT_BYTES = 64_000_000
KEPT_FILES = 2
_POPULATE = getattr(mmap, "MAP_POPULATE", 0)


class File:
    """A file without a name, in memory where the system has such."""

    def __init__(self, name: str) -> None:
        if hasattr(os, "memfd_create"):
            self.number = os.memfd_create(f"slipway-{name}")
        else:
            with tempfile.TemporaryFile() as unnamed:
                self.number = os.dup(unnamed.fileno())
        weakref.finalize(self, os.close, self.number)

    def write(self, values: bytes) -> None:
        """Write from the start."""
        write(self.number, 0, values)

    def shrink(self) -> None:
        """Give back what is more than is kept."""
        if os.fstat(self.number).st_size > KEPT_BYTES:
            os.ftruncate(self.number, KEPT_BYTES)


def write(number: int, start: int, values: "bytes | memoryview") -> None:
    """Write into an open file by calls: in a mapping, each page would be made and cleared at its first touch."""
    rest = memoryview(values).cast("B")
    while rest:
        written = os.pwrite(number, rest, start)
        start, rest = start + written, rest[written:]


def mapped(number: int, size: int) -> mmap.mmap:
    """Return the first bytes of an open file as memory that cannot be written to; all its pages are there at once."""
    return mmap.mmap(number, max(size, 1), flags=mmap.MAP_SHARED | _POPULATE, prot=mmap.PROT_READ)


class Files:
    """Files for one answer each; one is free again when nothing refers to what was mapped of it any more."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._free: list[File] = []

    def take(self) -> File:
        """Return a file that nobody reads; what it held before is nobody's."""
        try:
            return self._free.pop()
        except IndexError:
            return File(self._name)

    def give_back(self, file: File) -> None:
        """Take a file back that nobody reads; called from any thread."""
        if len(self._free) < KEPT_FILES:
            file.shrink()
            self._free.append(file)

    def handed(self, file: File, size: int) -> mmap.mmap:
        """Return the first bytes of a file as memory that cannot be written to; with the last reference, it is free."""
        if os.fstat(file.number).st_size < size:
            raise ServingError("the process that reads tables has handed over less than it says")
        whole = mapped(file.number, size)
        weakref.finalize(whole, self.give_back, file)
        return whole
