"""What a training step frees stays with the process until training ends, because the next step asks for it again.

glibc gives what is free at the top of its heap back to the system, and whether a step's tensors end there is chance:
the same loop took no page faults in one process and 800 a step in the next, and a quarter more time.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# <malloc.h>, and malloc/malloc.c for the largest values that glibc rises to by itself.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_MMAP_THRESHOLD = 32 << 20
USUAL_TRIM_THRESHOLD = 2 * LARGEST_MMAP_THRESHOLD
KEPT = 1 << 30


def keep_freed_memory() -> None:
    """Keep up to 1 GiB that is free in this process from now on; without glibc, do nothing."""
    if (libc := _glibc()) is not None:
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is free for the block, and give it back at its end."""
    keep_freed_memory()
    try:
        yield
    finally:
        if (libc := _glibc()) is not None:
            libc.mallopt(M_TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
            libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library of this process, None if it has no ``mallopt``."""
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") else None
