"""The words of the gates: why a verdict is what it is, and what would make it pass."""

from typing import Literal, Protocol

from components.evidence import Measure


class Asked(Protocol):
    """What a text needs to know of a rule."""

    @property
    def subject(self) -> str: ...
    @property
    def todo(self) -> str: ...
    @property
    def direction(self) -> Literal["at_least", "at_most"]: ...
    @property
    def limit(self) -> float: ...


def number(value: float) -> str:
    """Write a number with as many digits as a reader can use: counts whole, the rest to four significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def wanted(rule: Asked) -> str:
    """Say what is asked: 'at least 0.66'."""
    return f"{rule.direction.replace('_', ' ')} {number(rule.limit)}"


def reason(rule: Asked, measure: Measure, state: str, low: float, high: float) -> str:
    """Say in one line why the verdict is what it is."""
    said = f"{rule.subject} {number(measure.value)}"
    if low == high:
        text = f"{said}, needs {wanted(rule)}"
    elif state == "undecided":
        text = (
            f"{said} lies between {number(low)} and {number(high)}, needs {wanted(rule)}: {_rows(measure)} cannot tell"
        )
    else:
        # The bound that decided: the near one when it passed, the far one when it failed.
        near_is_low = (rule.direction == "at_least") == (state == "passed")
        bound = f"at least {number(low)}" if near_is_low else f"at most {number(high)}"
        text = f"{said}, with 95 % confidence {bound}, needs {wanted(rule)}"
    return text + (f" ({measure.detail})" if measure.detail else "")


def remedy(rule: Asked, measure: Measure, state: str, low: float, high: float, rows_needed: int | None) -> str:
    """Say what would make the gate pass."""
    margin = measure.value - low if rule.direction == "at_least" else high - measure.value
    value = rule.limit + margin if rule.direction == "at_least" else rule.limit - margin
    asked = f"would pass with {rule.direction.replace('_', ' ')} {number(value)}"
    if measure.n and low != high:
        asked += f" on {_rows(measure)}"
    good_side = (measure.value >= rule.limit) == (rule.direction == "at_least")
    if state == "undecided" and rows_needed and measure.n:
        verb = "would pass" if good_side else "would fail"
        asked += f"; the same value on {rows_needed:,} rows {verb} ({rows_needed - measure.n:,} more)"
    return asked + (f"; {rule.todo}" if rule.todo and not (state == "undecided" and good_side) else "")


def _rows(measure: Measure) -> str:
    return f"{measure.n:,} rows" if measure.n else "this sample"
