"""Numbers as the pages write them."""

from components.evaluation.evidence import Measure


def signed(value: float) -> str:
    """Write a difference with its sign; what is nothing in four digits is 0.0000, not more or less."""
    return f"{value:+.4f}" if round(value, 4) else "0.0000"


def span(measure: Measure | None) -> str:
    """Write the interval of a measure; empty if it has none."""
    if measure is None or measure.low is None or measure.high is None:
        return ""
    return f"{measure.low:.4f} to {measure.high:.4f}"
