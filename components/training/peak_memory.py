"""The most memory that a piece of work held: this process and those it started, and its card.

    with MemoryMeter() as meter:
        train()
    meter.peak

Linux keeps the most that a process ever held (VmHWM in proc_pid_status(5)) and forgets it when asked to
(proc_pid_clear_refs(5)), so that what ran before does not count. Processes that are started, and this one where nothing
can be forgotten, are looked at several times a second.
"""

import contextlib
import re
import sys
import threading
from pathlib import Path
from typing import Any, Self

import psutil
from pydantic import Field

from components.result import Result

SAMPLE_SECONDS = 0.25
FORGET_PEAK = "5"


class PeakMemory(Result):
    """The most that was held at a time, in MB (10^6 bytes), and how that is known."""

    mb: float = Field(ge=0, description="Of this process and those it started together; shared pages count in each.")
    before_mb: float = Field(ge=0, description="What this process held when the work began.")
    started_mb: float = Field(0, ge=0, description="The part of the processes that it started, at most.")
    card_mb: float | None = Field(None, description="On the card, by this process; None where there is no card.")
    source: str

    @property
    def text(self) -> str:
        """The peak in words."""
        card = "" if self.card_mb is None else f", {self.card_mb:,.0f} MB on the card"
        return f"{self.mb:,.0f} MB at most{card} ({self.detail})"

    @property
    def detail(self) -> str:
        """How it is known, and what was held before."""
        return f"{self.source}; {self.before_mb:,.0f} MB held before"


class MemoryMeter:
    """Finds the most memory held between entering and leaving the block; ``peak`` is there afterwards."""

    peak: PeakMemory

    def __init__(self, status: Path = Path("/proc/self/status"), forget: Path = Path("/proc/self/clear_refs")) -> None:
        self._status = status
        self._forget = forget

    def __enter__(self) -> Self:
        self._process = psutil.Process()
        self._end = threading.Event()
        self._own, self._started = 0, 0
        self._exact = False
        with contextlib.suppress(OSError):
            self._forget.write_text(FORGET_PEAK)
            self._exact = True
        if (cuda := _cuda()) is not None:
            cuda.reset_peak_memory_stats()
        self._before = self._process.memory_info().rss
        # A server that ran before is no part of the work.
        self._others = {child.pid for child in self._process.children(recursive=True)}
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()
        own = _high_water(self._status) if self._exact else None
        if own is None:
            source = f"looked at every {SAMPLE_SECONDS:g} s"
        else:
            self._own, source = own, "VmHWM, counted anew from the start"
        if self._started:
            source += f"; processes that it started looked at every {SAMPLE_SECONDS:g} s"
        cuda = _cuda()
        if cuda is not None:
            source += "; the card by torch.cuda.max_memory_allocated in this process"
        self.peak = PeakMemory(
            mb=round((self._own + self._started) / 1e6, 1),
            before_mb=round(self._before / 1e6, 1),
            started_mb=round(self._started / 1e6, 1),
            card_mb=None if cuda is None else round(cuda.max_memory_allocated() / 1e6, 1),
            source=source,
        )

    def _sample(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        self._own = max(self._own, self._process.memory_info().rss)
        held = 0
        for child in self._process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                held += 0 if child.pid in self._others else child.memory_info().rss
        self._started = max(self._started, held)


def _high_water(status: Path) -> int | None:
    """Return VmHWM in bytes, None where the system does not tell it."""
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text()):
            return int(found[1]) * 1024
    return None


def _cuda() -> Any:
    """Return torch.cuda if this process uses a card, None otherwise; imports nothing."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
