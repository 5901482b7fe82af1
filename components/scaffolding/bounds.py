"""Bounds with head room: what was seen, and half as much again on either side, in round figures."""

import math
from datetime import date, datetime, timedelta

from components.profiling.columns import Column

ROOM = 0.5
DIGITS = 2


def number_bounds(column: Column) -> dict[str, int | float]:
    """Return bounds for a number; what was never below zero, or a share, stays so."""
    low, high = float(column.low), float(column.high)
    room = ROOM * (high - low) or abs(high) or 1.0
    least = 0.0 if low >= 0 else _outward(low - room, -1)
    most = 1.0 if low >= 0 and 0 < high <= 1 and column.dtype == "number" else _outward(high + room, 1)
    if high <= 0:
        most = 0.0
    if column.dtype == "integer":
        return {"ge": _whole(math.floor(least)), "le": _whole(math.ceil(most))}
    return {"ge": least, "le": most}


def longest(column: Column) -> int:
    """Return how many characters a text may have."""
    return max(20, 10 * math.ceil(2 * column.longest / 10))


def moment_bounds(column: Column) -> dict[str, date | datetime]:
    """Return the first day that a moment may be of: a year before what was seen, with no end to come."""
    first = column.low
    try:
        early = first - timedelta(days=366)
    except OverflowError:
        return {}
    return {"ge": early.replace(hour=0, minute=0, second=0, microsecond=0) if isinstance(early, datetime) else early}


def _outward(value: float, side: int) -> float:
    """Return a value in round figures, on the side that leaves more room."""
    if not value or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    steps = math.ceil(value / unit) if side > 0 else math.floor(value / unit)
    return float(f"{steps * unit:.12g}")


def _whole(value: float) -> int:
    return max(-(2**63), min(2**63 - 1, int(value)))
