"""The words of the gates: why a verdict is what it is, what would make it pass, and what it could not see."""

import math
from collections.abc import Sequence

from components.evaluation.evidence import Measure
from components.evaluation.power import chance_to_pass, detectable_difference, rows_to_decide
from components.gates.rule import Rule

SHOWN = 3


def number(value: float) -> str:
    """Write a number with as many digits as a reader can use: counts whole, the rest to four significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def amount(rule: Rule, value: float) -> str:
    """Write a number of a rule with its unit."""
    return f"{number(value)} {rule.unit}" if rule.unit else number(value)


def wanted(rule: Rule) -> str:
    """Say what is asked: 'at least 0.66'."""
    if rule.strict:
        return (
            f"more than {amount(rule, rule.limit)}"
            if rule.direction == "at_least"
            else f"less than {amount(rule, rule.limit)}"
        )
    if rule.margin and rule.threshold == 0:
        return f"at most {amount(rule, rule.margin)} worse"
    return f"{rule.direction.replace('_', ' ')} {amount(rule, rule.limit)}"


def not_measured(rule: Rule) -> str:
    """Say that there is nothing to judge."""
    return f"{_capital(rule.subject)} was not measured."


def too_few(rule: Rule, measure: Measure) -> str:
    """Say that an interval from so few rows, or so few days, is not worth its name."""
    said = f"{_capital(rule.subject)} is {amount(rule, measure.value)}"
    return f"{said}, but rests on {rests_on(measure)}: too few to be sure of it."


def reason(rule: Rule, measure: Measure, state: str, low: float, high: float) -> str:
    """Say in a sentence why the verdict is what it is; "surely" stands for 95 % confidence."""
    told = f" ({measure.detail})" if measure.detail else ""
    if rule.rival:
        return _compared(rule, measure, state, low, high) + "."
    if low == high:
        return _counted(rule, measure.value) + told + "."
    said = f"{_capital(rule.subject)} is {amount(rule, measure.value)}"
    # The bound on the good side has to clear the limit; on the bad side it proves that the limit is missed.
    good, bad = f"at least {amount(rule, low)}", f"at most {amount(rule, high)}"
    if rule.direction == "at_most":
        good, bad = bad, good
    asked = f"{wanted(rule)} is asked"
    if rule.proof == "harm":
        proven = f"surely {bad}" if state == "failed" else f"not surely {beyond(rule)}"
        return f"{said}, {proven}: {asked}{told}."
    if state == "undecided":
        return (
            f"{said}, and may be anything from {amount(rule, low)} to {amount(rule, high)}: {asked}, and "
            f"{rests_on(measure)} cannot tell{told}."
        )
    return f"{said}, surely {good if state == 'passed' else bad}: {asked}{told}."


def _compared(rule: Rule, measure: Measure, state: str, low: float, high: float) -> str:
    """Say how the model does beside a rival; a gain above zero is better."""
    said = f"In {rule.metric} the model is {_beside(rule, measure.value)} {rule.rival}"
    said += f" ({measure.detail})" if measure.detail else ""
    if rule.strict:
        asked = (
            "it must be better" if not rule.threshold else f"it must be more than {amount(rule, rule.threshold)} better"
        )
    elif rule.threshold:
        asked = f"it must be at least {amount(rule, rule.threshold)} better"
    else:
        asked = f"up to {amount(rule, rule.margin)} worse is allowed"
    if low == high:
        return f"{said}: {asked}"
    if state == "undecided":
        span = " to ".join(_beside(rule, end).removesuffix(" than") for end in (low, high))
        return f"{said}, and may be anything from {span}: {asked}, and {rests_on(measure)} cannot tell"
    if state == "failed":
        surely = f"at least {amount(rule, -high)} worse" if high < 0 else f"at most {amount(rule, high)} better"
        return f"{said}, surely {surely}: {asked}"
    if rule.proof == "harm" and low < -rule.margin:
        return f"{said}, and not surely more than {amount(rule, rule.margin)} worse"
    surely = (
        f"at least {amount(rule, low)} better"
        if low > 0
        else f"at most {amount(rule, -low)} worse"
        if low < 0
        else "not worse"
    )
    return f"{said}, surely {surely}: {asked}"


def _beside(rule: Rule, gain: float) -> str:
    """Say a gain beside a rival: '0.01 worse than'."""
    return f"{amount(rule, abs(gain))} {'better' if gain > 0 else 'worse'} than" if gain else "as good as"


def _counted(rule: Rule, value: float) -> str:
    """Say what has no interval: a count of faults, a cost, a time."""
    if rule.counted:
        # Of what may not be there at all.
        return f"{_capital(rule.counted)}: {amount(rule, value) if value else 'none'}"
    return f"{_capital(rule.subject)} is {amount(rule, value)}: {wanted(rule)} is asked"


def figures(rule: Rule, measure: Measure, power: str) -> str:
    """Return what the sentence rests on: value, bounds, rows, what was drawn, the limit, and what it could not see."""
    parts = [f"{measure.name}{f' of {measure.slice}' if measure.slice else ''} {number(measure.value)}"]
    if measure.low is not None and measure.high is not None:
        low, high = number(measure.bound("below")), number(measure.bound("above"))
        parts.append(f"one-sided 95 % bounds {low} and {high}")
    if measure.n:
        parts.append(f"{measure.n:,} rows" + (f", drawn by {measure.by}: {measure.units}" if measure.units else ""))
    parts.append(f"limit {number(rule.limit)} ({rule.direction.replace('_', ' ')})")
    return "; ".join([*parts, power] if power else parts)


def beyond(rule: Rule) -> str:
    """Say what must not be proven: 'above 0.1'."""
    if rule.margin and rule.threshold == 0:
        return f"more than {amount(rule, rule.margin)} worse"
    return f"{'below' if rule.direction == 'at_least' else 'above'} {amount(rule, rule.limit)}"


def remedy(rule: Rule, measure: Measure, state: str, low: float, high: float, rows_needed: int | None) -> str:
    """Say what would make the gate pass."""
    if rule.counted:
        return f"would pass with none; {rule.todo}"
    reach = (high - low) / 2
    # What must be proven has to clear the limit by the reach of the bound; what must only not be refuted may miss it.
    reach = -reach if rule.proof == "harm" else reach
    value = rule.limit + reach if rule.direction == "at_least" else rule.limit - reach
    best = rule.best
    if best is not None and (value > best if rule.direction == "at_least" else value < best):
        return _out_of_reach(rule, measure, reach, best)
    asked = f"would pass with {rule.direction.replace('_', ' ')} {amount(rule, value)}"
    if measure.n and low != high:
        asked += f" on {rests_on(measure)}"
    size = measure.units or measure.n
    good_side = (measure.value >= rule.limit) == (rule.direction == "at_least")
    if state == "undecided" and rows_needed and size:
        verb = "would pass" if good_side else "would fail"
        asked += f"; the same value on {rows_needed:,} {plural(measure.by)} {verb} ({rows_needed - size:,} more)"
    return asked + (f"; {rule.todo}" if rule.todo and not (state == "undecided" and good_side) else "")


def _out_of_reach(rule: Rule, measure: Measure, reach: float, best: float) -> str:
    """Say that nothing can clear the limit by the reach of an interval from so few rows, and which number could."""
    said = f"nothing could pass on {rests_on(measure)}, which tell {rule.subject} to {amount(rule, reach)} either way"
    todo = rule.todo or "change the limit openly"
    room = abs(best - rule.limit)
    if not room or not measure.n:
        return f"{said}; {todo}"
    # An interval narrows with the square root of the rows.
    size = measure.units or measure.n
    return f"{said}: it takes more than {math.ceil(size * (reach / room) ** 2):,} {plural(measure.by)}; {todo}"


def within_margin(rule: Rule, measure: Measure) -> str:
    """Warn of what is provably worse than what it is compared with, but by less than the margin; empty if it is not."""
    if not rule.margin or rule.threshold or rule.proof == "harm":
        return ""
    nearest = measure.bound("above") if rule.direction == "at_least" else -measure.bound("below")
    if nearest >= 0 or measure.low is None:
        return ""
    who = f" ({measure.detail})" if measure.detail else ""
    margin, worse, surely = (amount(rule, one) for one in (rule.margin, -measure.value, -nearest))
    return (
        f"{rule.gate} passed within its margin of {margin}, but what ships is provably worse than "
        f"{rule.rival}{who}: by {worse} in {rule.metric}, surely by at least {surely}; "
        f"{rule.todo}"
    )


def power_text(rule: Rule, measure: Measure) -> str:
    """Say what this many rows can tell, and for comparisons how an equal model would fare."""
    error = measure.standard_error()
    told = amount(rule, detectable_difference(error))
    text = f"on {rests_on(measure)} a truth {told} away from the limit is decided in 80 % of cases"
    if not rule.margin or rule.proof == "harm":
        return text
    chance = chance_to_pass(rule.margin, error)
    text += f"; an equal model would pass with {chance:.0%}"
    needed = rows_to_decide(rule.margin, error, measure.units or measure.n)
    if chance < 0.8 and needed:
        text += f", with 80 % on {needed:,} {plural(measure.by)}"
    return text


def unit_warning(whole: Measure | None, others: Sequence[Measure]) -> str | None:
    """Warn when the unit that the workload file declares promises much more certainty than another; None if not."""
    wider = [one for one in others if whole and one.standard_error() >= 1.5 * whole.standard_error()]
    if whole is None or not wider:
        return None
    widest = max(wider, key=lambda one: one.standard_error())
    own, other = (f"{number(m.bound('below', 0.975))} to {number(m.bound('above', 0.975))}" for m in (whole, widest))
    return (
        f"rows of one {widest.by} are alike, and goal.unit says {whole.by}: {whole.name} is judged as {own}, which is "
        f"how well it is known of this hold-out; drawn by {widest.by} ({widest.units} of them) it is {other}, and "
        f"other {plural(widest.by)} will differ that much"
    )


def plural(unit: str) -> str:
    """Return the plural of a unit: days, rows; of a field's values as 'values of customer'."""
    return f"{unit}s" if unit in ("row", "day") else f"values of {unit}"


def rests_on(measure: Measure) -> str:
    """Say what a number rests on: '31 days', '500 rows'."""
    if measure.units is not None:
        return f"{measure.units:,} {plural(measure.by)}"
    return f"{measure.n:,} rows" if measure.n else "this sample"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
