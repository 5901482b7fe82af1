"""Gates of the data: no leaks, and no older than was allowed."""

from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, at_most, none_of


@build_gate("leakage")
def leakage(case: Case) -> Rule:
    """The leakage audit found nothing."""
    counted, todo = "leaks of the label into features or splits", "take the leak out of them"
    return none_of("leakage_findings", counted, todo, only_if_measured=True)


@build_gate("freshness")
def freshness(case: Case) -> Rule | None:
    """The newest training row is not older than was declared."""
    if case.gates.data_age_days is None:
        return None
    days, subject = case.gates.data_age_days, "the age of the data in days"
    return at_most("data_age_days", days, subject, "bring newer data", only_if_measured=True)
