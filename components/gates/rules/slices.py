"""Gates of slices: none of them is provably broken.

If every small slice had to prove itself, no honest model would pass. A promotion asks the same beside the champion.
"""

from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, gain_over


def no_worse_slice(case: Case, rival: str, measure: str) -> Rule:
    """Return the rule that no slice is provably worse than a rival by more than a margin."""
    return gain_over(
        case,
        rival,
        measure,
        "look at the rows of that slice: too few, a broken field, or another relation to the label",
        margin=case.gates.slice_margin,
        proof="harm",
        family=True,
        only_if_measured=True,
    )


@build_gate("slices")
def slices(case: Case) -> Rule:
    """No slice is provably worse than the baseline's by more than a margin."""
    return no_worse_slice(case, "the baseline", "gain_over_baseline")


@build_gate("slice-floor")
def slice_floor(case: Case) -> Rule:
    """No slice's gain over the constant answer is provably far below the whole's."""
    whole = case.evidence.find("gain_over_base_rate")
    return gain_over(
        case,
        "the constant answer",
        "gain_over_base_rate",
        "the model is much worse there than elsewhere: look at the rows of that slice",
        threshold=whole.value if whole else 0.0,
        margin=case.gates.slice_gap,
        proof="harm",
        family=True,
        only_if_measured=True,
    )
