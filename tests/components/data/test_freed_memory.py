"""Polars' allocator is told before Polars is there, and does as the user says if the user has said something."""

import os
import subprocess
import sys

import pytest

from components.data.freed_memory import KEPT, SETTING, keep_freed_memory
from tests.conftest import REPOSITORY


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "narenas:1")
    keep_freed_memory()
    assert os.environ[SETTING] == "narenas:1"
    monkeypatch.delenv(SETTING)
    keep_freed_memory()
    assert os.environ[SETTING] == KEPT


def test_the_command_sets_it_before_polars_is_imported() -> None:
    """jemalloc says so on its standard error if it does not understand what it is told."""
    code = (
        "import sys, flows.command_line, flows.orchestrator as o; assert 'polars' not in sys.modules;"
        "o.keep_freed_memory(); import polars; polars.Series([1]).sum()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
