"""The words of the gates about slices, which are asked together."""

from collections.abc import Sequence

from components.evaluation.evidence import Measure
from components.evaluation.normal import norm
from components.evaluation.power import ALPHA, chance_to_pass, detectable_difference, rows_to_decide
from components.gates.rule import Rule
from components.gates.texts import SHOWN, amount, plural, rests_on

# Of a slice: what is proven, what is not, and how it is asked of several.
_SURELY_IS = ("is surely", "is not surely", "is the model surely")
_SURELY_GAINS = ("surely gains", "does not surely gain", "does the model surely gain")


def family_reason(rule: Rule, measures: Sequence[Measure], broken: Sequence[Measure], worst: Measure) -> str:
    """Say in which slices the model is provably beyond the limit, or which comes nearest to it."""
    limit, value = _slice_limit(rule), _slice_value(rule, worst)
    proven, not_proven, asked = _SURELY_GAINS if rule.threshold else _SURELY_IS
    if broken:
        named = [f"{m.slice} ({_slice_value(rule, m)}, {rests_on(m)})" for m in broken[:SHOWN]]
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        return f"In {len(broken)} of {_slices(len(measures))} the model {proven} {limit}: {', '.join(named)}{more}."
    if len(measures) == 1:
        return f"In {worst.slice}, the one slice that can be judged, the model {not_proven} {limit}: it is {value}."
    return f"In none of {_slices(len(measures))} {asked} {limit}; the nearest to it is {worst.slice} ({value})."


def _slices(count: int) -> str:
    return f"{count} slice{'' if count == 1 else 's'}"


def _slice_limit(rule: Rule) -> str:
    """Say what must not be proven of a slice."""
    if rule.threshold:
        whole = f"{amount(rule, abs(rule.threshold))} {'better' if rule.threshold > 0 else 'worse'}"
        less = f"more than {amount(rule, rule.margin)} less in {rule.metric} over {rule.rival} than on the whole"
        return f"{less} ({whole})"
    return f"more than {amount(rule, rule.margin)} worse in {rule.metric} than {rule.rival}"


def _slice_value(rule: Rule, measure: Measure) -> str:
    return (
        f"{amount(rule, abs(measure.value))} {'better' if measure.value > 0 else 'worse'}"
        if measure.value
        else "as good"
    )


def left_out(small: Sequence[Measure]) -> str:
    """Say which slices are too small to be judged, largest first."""
    named = [f"{m.slice} ({m.n:,})" for m in sorted(small, key=lambda m: -(m.n or 0))[:SHOWN]]
    more = f" and {len(small) - SHOWN} more" if len(small) > SHOWN else ""
    return f"{', '.join(named)}{more}"


def family_remedy(rule: Rule, broken: Sequence[Measure], asked: int) -> str:
    """Say above which value each broken slice is no longer provably beyond the limit, ``asked`` slices being tested.

    Holm rejects nothing if the smallest p-value is above alpha / asked, so that is the critical value of every slice.
    """
    critical = float(norm.ppf(1 - ALPHA / asked))
    values = [
        f"{m.slice} {_no_worse_than(rule, rule.limit - critical * m.standard_error())} on {rests_on(m)}"
        for m in broken[:SHOWN]
    ]
    more = f" and the {len(broken) - SHOWN} more alike" if len(broken) > SHOWN else ""
    return f"would pass with {', '.join(values)}{more}; {rule.todo}"


def _no_worse_than(rule: Rule, gain: float) -> str:
    """Say what a gain must be at least: '0.3 better', 'at most 2 hours worse'."""
    said = amount(rule, abs(gain))
    return f"at least {said} better" if gain > 0 else f"at most {said} worse" if gain < 0 else "no worse"


def family_power_text(rule: Rule, blind: Measure, asked: int) -> str:
    """Say what the slice that is known least could hide from a test of ``asked`` slices, and on which rows not.

    Holm finds the first slice at alpha / asked.
    """
    error, alpha = blind.standard_error(), ALPHA / asked
    hidden = amount(rule, detectable_difference(error, alpha))
    text = (
        f"each of {asked} slices must be proven at {alpha:.2g}: {blind.slice} ({rests_on(blind)}), the blindest, is "
        f"found in 80 % of cases if it is {hidden} beyond the limit"
    )
    if needed := rows_to_decide(rule.margin, error, blind.units or blind.n, alpha):
        chance = chance_to_pass(rule.margin, error, alpha)
        text += f"; {amount(rule, rule.margin)} beyond it, in {chance:.0%}"
        text += f", and in 80 % on {needed:,} {plural(blind.by)} of it"
    return text
