"""What Polars frees stays with the process for a while, because the next block of rows asks for it again.

Its allocator, jemalloc, gives freed pages back after a second, which is as long as a block of a million rows takes: the
pages of the next are new ones, to be cleared by the system. Ten seconds took 6 % off validating and preparing 10
million rows, for 0.3 GiB more memory. The setting is read when Polars is imported, and nowhere else.
"""

import os

SETTING = "_RJEM_MALLOC_CONF"
KEPT = "dirty_decay_ms:10000,muzzy_decay_ms:10000"


def keep_freed_memory() -> None:
    """Have Polars, which must not be imported yet, keep what it frees; a setting of the user's stays as it is."""
    os.environ.setdefault(SETTING, KEPT)
