"""A process that was bound to another one ends with it, also when that one is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil

from components.artefacts.lifetime import bound

PARENT = """
import subprocess, sys, time
from components.artefacts.lifetime import bound
child = subprocess.Popen(bound([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]),
                         stdout=subprocess.PIPE, text=True, start_new_session=True)
assert child.stdout.readline() == "up\\n"
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_a_bound_process_ends_with_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert not gone(child)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.communicate()
    deadline = time.monotonic() + 30
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(child)


def test_a_bound_program_is_the_program_with_its_exit_code() -> None:
    done = subprocess.run(bound([sys.executable, "-c", "import sys; sys.exit(7)"]), check=False)
    assert done.returncode == 7
