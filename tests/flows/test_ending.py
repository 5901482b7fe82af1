"""A signal ends the command also where Python lets no exception out."""

import signal
import subprocess
import sys

from tests.conftest import REPOSITORY

# As in importlib's own callbacks, an exception in __del__ is only reported, and the program goes on.
IN_BETWEEN = """
import os, signal, sys, time
from flows import ending

class Sly:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

ending.listen()
try:
    sly = Sly()
    del sly
    time.sleep(30)
except ending.Stopped:
    ending.end()
"""


def test_a_signal_that_comes_where_no_exception_gets_out_ends_the_command_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_BETWEEN], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.startswith("slipway: stopped by Ctrl-C")
    assert len(done.stderr.splitlines()) == 1


# What a library does at the end of Python, deaf to signals, may take longer than a person waits.
AFTER_THE_LAST_LINE = """
import atexit, contextlib, os, signal, time
from flows import ending

def slow():
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)

atexit.register(slow)
ending.listen()
try:
    signal.raise_signal(signal.SIGINT)
except ending.Stopped:
    ending.end()
"""


def test_a_second_signal_after_the_last_line_ends_at_once_and_says_nothing_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AFTER_THE_LAST_LINE], cwd=REPOSITORY, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.startswith("slipway: stopped by Ctrl-C")
    assert len(done.stderr.splitlines()) == 1
