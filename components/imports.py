"""How large libraries are imported: without looking for garbage meanwhile."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage() -> Iterator[None]:
    """Do not look for garbage in what is imported, which stays: that took a quarter of the time."""
    if not gc.isenabled():
        # Somebody around us does this already.
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
