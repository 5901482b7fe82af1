"""The doctor clears away what killed processes left, and nothing of living ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.artefacts.storage import scratch_prefix
from components.settings import Home
from flows.doctor import examine

DIE = """
import tempfile
from components.artefacts.storage import scratch_prefix
print(tempfile.mkdtemp(prefix=scratch_prefix("slipway-counts")))
"""


def test_counts_of_killed_services_are_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    left = Path(subprocess.run([sys.executable, "-c", DIE], capture_output=True, text=True, check=True).stdout.strip())
    living, other = tmp_path / f"{scratch_prefix('slipway-counts')}x", tmp_path / ".somebodys.folder"
    living.mkdir()
    other.mkdir()
    found = {finding.check: finding.found for finding in examine(Home(tmp_path / "home"))}
    assert found["killed runs"] == "1 unfinished files and folders deleted"
    assert (left.exists(), living.exists(), other.exists()) == (False, True, True)
