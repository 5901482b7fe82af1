"""Files are whole or absent."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from components.artefacts import storage
from components.artefacts.storage import (
    atomic_folder,
    digest_json,
    is_running,
    scratch_prefix,
    sweep,
    this_process,
    write_atomically,
)
from tests.conftest import REPOSITORY


def test_a_failed_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    def write_half() -> None:
        with atomic_folder(tmp_path / "target") as folder:
            (folder / "half").write_text("x")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_two_equal_folders_wins(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with atomic_folder(tmp_path / "target") as folder:
            (folder / "file").write_text(text)
    assert (tmp_path / "target" / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


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
        "import os, signal, sys; from pathlib import Path; from components.artefacts.storage import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1], 'target')) as folder:\n"
        "    (folder / 'half').write_text('x'); Path(sys.argv[1], 'whole').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY)
    (left,) = tmp_path.glob(".target.*")
    with atomic_folder(tmp_path / "other"):
        # Of another machine, and of a user.
        foreign = tmp_path / f".target.00000000-{os.getpid()}-1.abc"
        foreign.mkdir()
        (tmp_path / ".hidden").write_text("mine")
        assert sweep(tmp_path) == (left,)
        assert foreign.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", foreign.name, "other", "whole"]


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
