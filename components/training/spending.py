"""What a training may take and what it has taken, by two clocks: the wall's, and the work that was really done.

On a loaded machine a minute on the wall is less than a minute of work, and a model must not be worse for it: the time
cap counts work. Money is paid by the wall: the cost cap counts that.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from components.training.costs.energy import cpu_seconds
from components.training.results import Stopped

# Looking for children takes longer than a small step.
LOOK_SECONDS = 1.0


class Spent(NamedTuple):
    """Seconds on the wall, and seconds of work: of processor time by the threads that share it."""

    clock: float
    worked: float


def spent_of(clock: float, processor: float, threads: int | None) -> Spent:
    """Return what these seconds of the wall and of all processors come to; ``threads`` as a meter has it."""
    # Never more than the wall: more threads than were counted may have worked.
    return Spent(clock, clock if threads is None else min(clock, processor / threads))


@dataclass(frozen=True)
class Budget:
    """How long training may take, and which of the caps that is; ``clock_seconds`` is what money allows besides."""

    seconds: float
    cap: Stopped = "time cap"
    clock_seconds: float = float("inf")

    def less(self, spent: "float | Spent") -> "Budget":
        """Return what is left after that; with nothing left, training still takes one step."""
        clock, worked = spent if isinstance(spent, Spent) else (spent, spent)
        used = clock if self.cap == "cost cap" else worked
        return Budget(max(0.0, self.seconds - used), self.cap, max(0.0, self.clock_seconds - clock))

    def ended_by(self, spent: Spent) -> Stopped | None:
        """Return the cap that is used up; None while none is."""
        if self.cap == "cost cap":
            return self.cap if spent.clock >= self.seconds else None
        if spent.worked >= self.seconds:
            return self.cap
        return "cost cap" if spent.clock >= self.clock_seconds else None

    def within(self, whole: Spent) -> tuple[float, str]:
        """Return what training that takes ``whole`` gets on the clock, and the cap that ends it; empty if none does."""
        limits = (
            (self.seconds, whole.clock if self.cap == "cost cap" else whole.worked, self.cap),
            (self.clock_seconds, whole.clock, "cost cap"),
        )
        over = [(limit / taken, f"{cap} of {limit:.0f} s") for limit, taken, cap in limits if taken > limit]
        share, told = min(over, default=(1.0, ""))
        return whole.clock * share, told


def budget_of(time_cap_minutes: float, training_usd: float, price_per_hour: float) -> Budget:
    """Return the tighter of the time cap and the cost cap; money ends training even where work has not."""
    affordable = training_usd / price_per_hour * 3600 if price_per_hour > 0 else float("inf")
    if affordable < time_cap_minutes * 60:
        return Budget(affordable, "cost cap")
    return Budget(time_cap_minutes * 60, clock_seconds=affordable)


class Meter:
    """Counts from when it is made. ``threads`` is how many share the work; None where a card does it: by the wall."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._began = time.monotonic()
        self._living, self._looked = 0.0, float("-inf")
        self._before = self._processor()

    def spent(self) -> Spent:
        """Return what was spent so far."""
        clock = time.monotonic() - self._began
        processor = 0.0 if self._threads is None else self._processor() - self._before
        return spent_of(clock, processor, self._threads)

    def _processor(self) -> float:
        """Return the processor time of this process and of its children, those that are still alive included."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._living, self._looked = _living_children(), time.monotonic()
        return cpu_seconds() + self._living


def _living_children() -> float:
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total
