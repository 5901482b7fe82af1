"""The memory of a piece of work is told apart from what ran before it, and holds that of the processes it starts."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.training.peak_memory import SAMPLE_SECONDS, MemoryMeter

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets the most that a process held")
MIB = 1 << 20


def hold(mebibytes: int, seconds: float = 0) -> None:
    # From the system and back to it, whatever the allocator keeps: larger than what it takes from its heap.
    held = bytearray(mebibytes * MIB)
    time.sleep(seconds)
    del held


@linux
def test_what_was_held_before_the_work_does_not_count() -> None:
    hold(800)
    with MemoryMeter() as meter:
        hold(200)
    assert 200 <= meter.peak.mb - meter.peak.before_mb < 400
    assert meter.peak.started_mb == 0
    assert meter.peak.card_mb is None
    assert meter.peak.source == "VmHWM, counted anew from the start"
    assert f"{meter.peak.before_mb:,.0f} MB held before" in meter.peak.text


def test_processes_that_were_started_count() -> None:
    code = f"import time; held = bytearray({200 * MIB}); time.sleep({4 * SAMPLE_SECONDS})"
    with MemoryMeter() as meter:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert 200 <= meter.peak.started_mb < 400
    assert meter.peak.mb >= meter.peak.before_mb + meter.peak.started_mb - 10
    assert "processes that it started looked at every 0.25 s" in meter.peak.source


def test_processes_that_ran_before_do_not_count() -> None:
    other = subprocess.Popen([sys.executable, "-c", f"held = bytearray({200 * MIB}); input()"], stdin=subprocess.PIPE)
    try:
        with MemoryMeter() as meter:
            time.sleep(3 * SAMPLE_SECONDS)
    finally:
        other.communicate(b"\n")
    assert meter.peak.started_mb == 0


def test_where_nothing_can_be_forgotten_the_process_is_looked_at(tmp_path: Path) -> None:
    with MemoryMeter(forget=tmp_path / "missing" / "clear_refs") as meter:
        hold(200, 3 * SAMPLE_SECONDS)
    assert meter.peak.mb - meter.peak.before_mb >= 200
    assert meter.peak.source == "looked at every 0.25 s"
