"""What a hold-out can tell: detectable differences, chances of passing, rows needed. Plain normal theory.

Standard errors come from the bootstrap and shrink with the square root of the rows (J. Cohen 1988, ch. 2).
"""

import math
from collections.abc import Sequence

from components.evaluation.normal import norm

ALPHA = 0.05
POWER = 0.80


def detectable_difference(standard_error: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the distance from a limit that a one-sided test decides with that power."""
    return float(norm.ppf(1 - alpha) + norm.ppf(power)) * standard_error


def chance_to_pass(distance: float, standard_error: float, alpha: float = ALPHA) -> float:
    """Return the probability of passing when the truth lies ``distance`` on the good side of the limit."""
    if standard_error == 0:
        return float(distance >= 0)
    return float(norm.cdf(distance / standard_error - norm.ppf(1 - alpha)))


def rows_to_decide(
    distance: float, standard_error: float, rows: int | None, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many rows would decide a value that far from the limit; None if no number of rows would."""
    if rows is None or distance == 0:
        return None
    ratio = detectable_difference(standard_error, alpha, power) / distance
    # Not a power: a distance of almost nothing would overflow it, where a product is infinite.
    needed = rows * ratio * ratio
    return math.ceil(needed) if needed < 1e12 else None


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which hypotheses are rejected with a family-wise error of at most alpha (Holm 1979)."""
    rejected = [False] * len(p_values)
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] > alpha / (len(p_values) - place):
            break
        rejected[index] = True
    return rejected


def luck_of_the_best(models: int) -> float:
    """Return by how many standard errors the best of equally good models looks better than it is (Blom 1958)."""
    return float(norm.ppf((models - 0.375) / (models + 0.25)))
