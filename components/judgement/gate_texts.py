"""The words of the gates: why a verdict is what it is, what would make it pass, and what it could not see."""

import math
from collections.abc import Sequence

from components.judgement.evidence import Measure
from components.judgement.metrics import HIGHER_IS_BETTER
from components.judgement.normal import norm
from components.judgement.policy import Rule
from components.judgement.power import ALPHA, chance_to_pass, detectable_difference, rows_to_decide

SHOWN = 3


def number(value: float) -> str:
    """Write a number with as many digits as a reader can use: counts whole, the rest to four significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def wanted(rule: Rule) -> str:
    """Say what is asked: 'at least 0.66'."""
    if rule.strict:
        return f"more than {number(rule.limit)}" if rule.direction == "at_least" else f"less than {number(rule.limit)}"
    if rule.margin and rule.threshold == 0:
        return f"at most {number(rule.margin)} worse"
    return f"{rule.direction.replace('_', ' ')} {number(rule.limit)}"


def not_measured(rule: Rule) -> str:
    """Say that there is nothing to judge."""
    return f"{rule.subject} was not measured"


def too_few(rule: Rule, measure: Measure) -> str:
    """Say that an interval from so few rows is not worth its name."""
    return f"{rule.subject} {number(measure.value)} rests on {_rows(measure)}: too few for an interval"


def reason(rule: Rule, measure: Measure, state: str, low: float, high: float) -> str:
    """Say in one line why the verdict is what it is."""
    said = f"{rule.subject} {number(measure.value)}"
    # The bound on the good side has to clear the limit; on the bad side it proves that the limit is missed.
    good, bad = (f"at least {number(low)}", f"at most {number(high)}")
    if rule.direction == "at_most":
        good, bad = bad, good
    if low == high:
        text = f"{said}, needs {wanted(rule)}"
    elif rule.proof == "harm":
        proven = "" if state == "failed" else "not "
        text = f"{said}, {proven}provably {beyond(rule)}: {_rows(measure)} prove {bad} with 95 % confidence"
    elif state == "undecided":
        text = (
            f"{said} lies between {number(low)} and {number(high)}, needs {wanted(rule)}: {_rows(measure)} cannot tell"
        )
    else:
        text = f"{said}, with 95 % confidence {good if state == 'passed' else bad}, needs {wanted(rule)}"
    return text + (f" ({measure.detail})" if measure.detail else "")


def beyond(rule: Rule) -> str:
    """Say what must not be proven: 'above 0.1'."""
    if rule.margin and rule.threshold == 0:
        return f"more than {number(rule.margin)} worse"
    return f"{'below' if rule.direction == 'at_least' else 'above'} {number(rule.limit)}"


def remedy(rule: Rule, measure: Measure, state: str, low: float, high: float, rows_needed: int | None) -> str:
    """Say what would make the gate pass."""
    reach = (high - low) / 2
    # What must be proven has to clear the limit by the reach of the bound; what must only not be refuted may miss it.
    reach = -reach if rule.proof == "harm" else reach
    value = rule.limit + reach if rule.direction == "at_least" else rule.limit - reach
    best = _best(rule)
    if best is not None and (value > best if rule.direction == "at_least" else value < best):
        return _out_of_reach(rule, measure, reach, best)
    asked = f"would pass with {rule.direction.replace('_', ' ')} {number(value)}"
    if measure.n and low != high:
        asked += f" on {_rows(measure)}"
    good_side = (measure.value >= rule.limit) == (rule.direction == "at_least")
    if state == "undecided" and rows_needed and measure.n:
        verb = "would pass" if good_side else "would fail"
        asked += f"; the same value on {rows_needed:,} rows {verb} ({rows_needed - measure.n:,} more)"
    return asked + (f"; {rule.todo}" if rule.todo and not (state == "undecided" and good_side) else "")


def _best(rule: Rule) -> float | None:
    """Return the best that a measure can be, None if there is no end to it."""
    if rule.direction == "at_most":
        # Errors, times, costs and gaps.
        return 0.0
    return 1.0 if rule.measure in HIGHER_IS_BETTER or rule.gate.startswith("floor-") else None


def _out_of_reach(rule: Rule, measure: Measure, reach: float, best: float) -> str:
    """Say that nothing can clear the limit by the reach of an interval from so few rows, and which number could."""
    said = f"nothing could pass on {_rows(measure)}, which tell {rule.subject} to {number(reach)} either way"
    todo = rule.todo or "change the limit openly"
    room = abs(best - rule.limit)
    if not room or not measure.n:
        return f"{said}; {todo}"
    # An interval narrows with the square root of the rows.
    return f"{said}: it takes more than {math.ceil(measure.n * (reach / room) ** 2):,} rows; {todo}"


def family_reason(rule: Rule, measures: Sequence[Measure], broken: Sequence[Measure], worst: Measure) -> str:
    """Say which slices are provably beyond the limit, or which comes nearest to it."""
    if broken:
        named = [
            f"{m.slice} {number(m.value)} [{number(m.bound('below'))}, {number(m.bound('above'))}], {_rows(m)}"
            for m in broken[:SHOWN]
        ]
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        return (
            f"{len(broken)} of {len(measures)} slices provably below {number(rule.limit)} in {rule.subject}: "
            f"{'; '.join(named)}{more}"
        )
    return (
        f"none of {len(measures)} slices is provably below {number(rule.limit)} in {rule.subject}; lowest "
        f"{worst.slice} {number(worst.value)}"
    )


def within_margin(rule: Rule, measure: Measure) -> str:
    """Warn of what is provably worse than what it is compared with, but by less than the margin; empty if it is not."""
    if not rule.margin or rule.threshold or rule.proof == "harm":
        return ""
    nearest = measure.bound("above") if rule.direction == "at_least" else -measure.bound("below")
    if nearest >= 0 or measure.low is None:
        return ""
    who = f" ({measure.detail})" if measure.detail else ""
    return (
        f"{rule.gate} passed within its margin of {number(rule.margin)}, but what ships is provably worse: "
        f"{rule.subject}{who} {number(measure.value)}, with 95 % confidence at most {number(nearest)}; {rule.todo}"
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
        f"{m.slice} above {number(rule.limit - critical * m.standard_error())} on {_rows(m)}" for m in broken[:SHOWN]
    ]
    more = f" and the {len(broken) - SHOWN} more alike" if len(broken) > SHOWN else ""
    return f"would pass with {', '.join(values)}{more}; {rule.todo}"


def power_text(rule: Rule, measure: Measure) -> str:
    """Say what this many rows can tell, and for comparisons how an equal model would fare."""
    error = measure.standard_error()
    told = number(detectable_difference(error))
    text = f"on {_rows(measure)} a truth {told} away from the limit is decided in 80 % of cases"
    if not rule.margin or rule.proof == "harm":
        return text
    chance = chance_to_pass(rule.margin, error)
    text += f"; an equal model would pass with {chance:.0%}"
    needed = rows_to_decide(rule.margin, error, measure.n)
    if chance < 0.8 and needed:
        text += f", with 80 % on {needed:,} rows"
    return text


def family_power_text(rule: Rule, blind: Measure, asked: int) -> str:
    """Say what the slice that is known least could hide from a test of ``asked`` slices, and on which rows not.

    Holm finds the first slice at alpha / asked.
    """
    error, alpha = blind.standard_error(), ALPHA / asked
    hidden = number(detectable_difference(error, alpha))
    text = (
        f"each of {asked} slices must be proven at {alpha:.2g}: {blind.slice} ({_rows(blind)}), the blindest, is found "
        f"in 80 % of cases if it is {hidden} beyond the limit"
    )
    if needed := rows_to_decide(rule.margin, error, blind.n, alpha):
        chance = chance_to_pass(rule.margin, error, alpha)
        text += f"; {number(rule.margin)} beyond it, in {chance:.0%}, and in 80 % on {needed:,} rows of it"
    return text


def day_warning(whole: Measure | None, by_day: Measure | None) -> str | None:
    """Warn when single rows promise much more certainty than whole days do; None if they do not."""
    if whole is None or by_day is None or by_day.standard_error() < 1.5 * whole.standard_error():
        return None
    rows, days = (f"{number(m.bound('below', 0.975))} to {number(m.bound('above', 0.975))}" for m in (whole, by_day))
    return (
        f"rows of one day are alike: over rows {whole.name} is known to {rows}, which is how well it is known of this "
        f"hold-out; over whole days ({by_day.detail}) it is {days}, and other days will differ that much"
    )


def _rows(measure: Measure) -> str:
    return f"{measure.n:,} rows" if measure.n else "this sample"
