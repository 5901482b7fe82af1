import platform
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

# Prints the pages that six equal rounds of taking and freeing 128 MiB had to fetch from the system.
ROUNDS = """
import contextlib, resource, sys
from components.training.freed_memory import freed_memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def taken():
    blocks = [bytearray(8 << 20) for _ in range(16)]

with freed_memory_kept() if sys.argv[1] == "kept" else contextlib.nullcontext():
    taken()
    before = faults()
    for _ in range(6):
        taken()
    print(faults() - before)
"""


def pages(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS, how], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators keep or return memory as they like")
def test_memory_that_was_freed_is_not_fetched_from_the_system_again() -> None:
    assert pages("kept") * 10 < pages("given back")
