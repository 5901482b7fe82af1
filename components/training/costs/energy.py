"""What a training took from the wall: measured where the machine counts it, otherwise reckoned from a stated wattage.

Intel and AMD processors count their energy (RAPL, read through Linux's powercap, mostly by root alone); NVIDIA cards do
since Volta (NVML, if the package nvidia-ml-py is installed). Both count the whole package or card, whoever used it.

    with EnergyMeter() as meter:
        train()
    meter.energy(seconds=..., watts=settings.watts, card=False)
"""

import contextlib
import resource
import threading
import time
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from components.result import Result

POWERCAP = Path("/sys/class/powercap")
# The counter of a package starts again at about 260 kJ: after a quarter of an hour at 300 W.
SAMPLE_SECONDS = 30.0


def cpu_seconds() -> float:
    """Return the processor time of this process and of those it started and waited for."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Energy(Result):
    """An amount of energy and where the figure comes from."""

    wh: float = Field(ge=0, description="Watt-hours.")
    source: Literal["measured", "estimated"] = Field(description="measured: every part of it was counted by hardware.")
    detail: str

    @property
    def text(self) -> str:
        """The amount in words."""
        return f"{self.wh:.3g} Wh, {self.source} ({self.detail})"

    def and_then(self, more: "Energy", what: str) -> "Energy":
        """Return the sum; measured only if both were."""
        both = self.source == more.source == "measured"
        return Energy(
            wh=self.wh + more.wh,
            source="measured" if both else "estimated",
            detail=f"{self.detail}; {what}: {more.detail}",
        )


class _Package:
    """A counter of a processor package, which starts again at its maximum."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._file.read_text())
        self.joules = 0.0

    def read(self) -> None:
        now = int(self._file.read_text())
        self.joules += ((now - self._last) % (self._range + 1)) / 1e6
        self._last = now


def _packages(powercap: Path) -> list[_Package]:
    # intel-rapl:0 is a package, intel-rapl:0:1 a part of it. AMD's packages carry the same name.
    found = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        with contextlib.suppress(OSError, ValueError):
            if folder.name.count(":") == 1:
                found.append(_Package(folder))
    return found


class _Cards:
    """The energy counters of NVIDIA cards."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml
        except ImportError:
            return
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
            self._nvml, self._handles = pynvml, handles
            self._began = self._count()

    def _count(self) -> float:
        millijoules = [int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in self._handles]
        return sum(millijoules) / 1e3

    def joules(self) -> tuple[float, int] | None:
        """Return the joules since the start and the number of cards, None if there is nothing that counts."""
        return (self._count() - self._began, len(self._handles)) if self._handles else None


class EnergyMeter:
    """Counts energy from entering to leaving the block."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._powercap = powercap
        self._end = threading.Event()

    def __enter__(self) -> Self:
        self._packages = _packages(self._powercap)
        self._cards = _Cards()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._read()
        self.seconds = time.monotonic() - self._started
        self._counted = self._cards.joules()

    def _sample(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self._read()

    def _read(self) -> None:
        with self._lock:
            for package in self._packages:
                package.read()

    def energy(self, *, seconds: float, watts: float, card: bool) -> Energy:
        """Return the energy of a training of that many seconds, of which those in the block were counted.

        ``watts`` is the stated power of the machine, for what nothing counts; ``card``: training ran on a GPU.
        """
        share = max(1.0, seconds / self.seconds) if self.seconds else 1.0
        cards = self._counted if card else None
        if share > 2 or not (self._packages or cards):
            why = "nothing here counts energy" if share <= 2 else "most of it ran before, in a process that was ended"
            return Energy(
                wh=seconds * watts / 3600, source="estimated", detail=f"{why}: {seconds:.0f} s at {watts:g} W as stated"
            )
        joules, parts = 0.0, []
        if self._packages:
            joules += sum(package.joules for package in self._packages)
            parts.append(f"{len(self._packages)} processor package(s) by RAPL, whoever used them")
        else:
            joules += self.seconds * watts
            parts.append(f"the machine without its cards at {watts:g} W as stated")
        if cards:
            joules += cards[0]
            parts.append(f"{cards[1]} card(s) by NVML")
        elif card:
            parts.append("the card was not counted (install nvidia-ml-py)")
        if share > 1.05:
            parts.append(f"counted for {self.seconds:.0f} of {seconds:.0f} s, the rest at the same power")
        whole = bool(self._packages) and (bool(cards) or not card)
        return Energy(wh=joules * share / 3600, source="measured" if whole else "estimated", detail="; ".join(parts))
