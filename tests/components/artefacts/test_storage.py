"""Files are whole or absent."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from components.artefacts import storage
from components.artefacts.storage import (
    digest_json,
    is_running,
    scratch_prefix,
    sweep,
    this_process,
    write_atomically,
    write_once,
)
from tests.conftest import REPOSITORY


def test_a_failed_write_keeps_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1}) != digest_json({"a": 1, "b": 3})


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_does_is_not(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, tempfile; from pathlib import Path\n"
        "from components.artefacts.storage import scratch_prefix\n"
        "folder = Path(tempfile.mkdtemp(dir=sys.argv[1], prefix=scratch_prefix('target')))\n"
        "(folder / 'half').write_text('x'); Path(sys.argv[1], 'whole').write_text('x')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY)
    (left,) = tmp_path.glob(".target.*")
    own = tmp_path / f"{scratch_prefix('other')}abc"
    # Of another machine, and of a user.
    foreign = tmp_path / f".target.00000000-{os.getpid()}-1.abc"
    for folder in (own, foreign):
        folder.mkdir()
    (tmp_path / ".hidden").write_text("mine")
    assert sweep(tmp_path) == (left,)
    assert {path.name for path in tmp_path.iterdir()} == {".hidden", foreign.name, own.name, "whole"}


def test_a_file_that_is_written_once_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key"
    assert write_once(path, b"first", mode=0o600)
    assert not write_once(path, b"second")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"first", 0o600)
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def test_a_number_that_another_process_was_given_since_does_not_keep_a_leftover(tmp_path: Path) -> None:
    mine = scratch_prefix("file")
    (tmp_path / f"{mine}abc").write_text("x")
    place, _, _ = mine.rstrip(".").rpartition("-")
    (tmp_path / f"{place}-1.abc").write_text("x")
    assert [path.name for path in sweep(tmp_path)] == [f"{place}-1.abc"]


def test_a_process_is_known_again_after_its_machine_was_given_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/etc/machine-id").is_file():
        pytest.skip("this machine has no /etc/machine-id, by which it could be known under another name")
    mine = this_process()
    monkeypatch.setattr(platform, "node", lambda: "another-pod")
    storage._machine.cache_clear()
    assert this_process() == mine
    assert is_running(mine)
    assert not is_running(f"{mine}0")
