"""How much of a hold-out stands in training by chance alone: what a share of repeated rows is judged against.

Rows of few or coarse fields recur because there are few such rows in the world; nobody needs to have copied them. So:

- What training holds more than five times is common and says nothing. Only rarer rows can count as copies.
- What chance explains is read from training itself (Good 1953): if f(k) different rows stand k times among its n, a
  further row from the same source is one of those standing k times with probability (k + 1) f(k + 1) / n. This holds
  for any fields, dependent or not.
- Where training is made of copies, too, that would excuse them. Rows drawn by chance make k! f(k) moments of one
  distribution, so that (k! f(k))^2 <= (k - 1)! f(k - 1) (k + 1)! f(k + 1) but for noise: without triplets there are
  few twins. Where training has too many, only fields that are independent of each other are an excuse.
- Three and a half standard errors are left to luck.
"""

import math
from typing import NamedTuple

import polars as pl

RARE = 5
LUCK = 3.5


class Times(NamedTuple):
    """How many different values stand once, twice and so on up to ``RARE + 1`` times (``often``) among ``size``."""

    size: int
    often: tuple[int, ...]


class Recurrence(NamedTuple):
    """Share of a later split's rows that an earlier one holds, and the share and its error that chance explains."""

    rows: int
    found: int
    share: float
    chance: float
    error: float

    def excess(self, limit: float) -> float:
        """Return what chance does not explain, 0 unless it is above the limit and beyond luck."""
        beyond = self.share - self.chance
        return beyond if beyond > max(limit, LUCK * self.error) else 0.0


def times_of(counts: pl.Series) -> Times:
    """Return how often values stand, from the number of times that each does."""
    often = dict(counts.value_counts(name="slipway:often").iter_rows())
    return Times(int(counts.sum()), tuple(often.get(times, 0) for times in range(1, RARE + 2)))


def recurrence(found: int, rows: int, times: Times, independent: float | None = None) -> Recurrence:
    """Judge that ``found`` of ``rows`` are rare values of training that stands as ``times`` say.

    ``independent`` is the share that independent fields explain; if None, training's own repetitions are always taken
    for chance.
    """
    share, chance = found / max(rows, 1), _good_turing(times)
    if independent is not None:
        chance = independent if made_of_copies(times) else max(chance, independent)
    # As if both were one: what chance gives was itself counted, on few rows perhaps. A further row weighs two there.
    both = (share + chance) / 2
    error = math.sqrt(both * (1 - both) * (1 / max(rows, 1) + 2 / max(times.size, 1)))
    return Recurrence(rows, found, share, chance, error)


def made_of_copies(times: Times) -> bool:
    """Return whether rows that stand twice (or three, four, five times) are too many to have come by chance."""
    for k in range(2, RARE + 1):
        fewer, these, more = (times.often[place - 1] for place in (k - 1, k, k + 1))
        least = math.factorial(k) * max(these - LUCK * math.sqrt(these), 0.0)
        expected = least**2 / (math.factorial(k - 1) * (fewer + LUCK * math.sqrt(fewer) + LUCK))
        if math.factorial(k + 1) * (more + LUCK * math.sqrt(more) + LUCK) < expected:
            return True
    return False


def _good_turing(times: Times) -> float:
    """Return the probability that a further value is a rare one that is there."""
    expected = sum((k + 1) * times.often[k] for k in range(1, RARE + 1))
    return min(expected / max(times.size, 1), 1.0)
