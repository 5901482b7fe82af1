"""Which slices are provably worse than the whole, and which are too small to tell: the chart and the words ask here.

The gates ask more of a slice (a margin, a rival) and judge the same ones: what rests on too few rows decides nowhere.
"""

from typing import Literal, NamedTuple

from components.declaration.metrics import sign_of
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.normal import norm
from components.evaluation.power import ALPHA, holm


class Judged(NamedTuple):
    """A slice's value of the goal's metric, and how it stands beside the whole."""

    measure: Measure
    beside: Literal["worse", "not worse", "too small"]


def beside_whole(evidence: Evidence, metric: str) -> list[Judged]:
    """Return every slice, worst first; worse is what is below the whole (above, of errors) beyond doubt (Holm)."""
    whole = evidence.find(metric)
    sign = sign_of(metric)
    measures = sorted((m for m in evidence.named(metric) if m.slice is not None), key=lambda m: sign * m.value)
    if whole is None:
        return []
    large = [measure for measure in measures if not measure.few]
    chances = [
        float(norm.sf(sign * (whole.value - m.value) / error)) if (error := m.standard_error()) else 1.0 for m in large
    ]
    worse = {m.slice for m, proven in zip(large, holm(chances, ALPHA), strict=True) if proven}
    return [Judged(m, "too small" if m.few else "worse" if m.slice in worse else "not worse") for m in measures]
