"""Gates of behaviour: what was declared of changed rows holds, and groups are served alike."""

from components.evaluation.behaviour_tests import failure
from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, at_most, none_of


@build_gate("behaviour")
def behaviour(case: Case) -> Rule:
    """Every behaviour test that was declared holds."""
    todo = (
        "bring rows from which the model can learn it, or change what the test asks (of higher and lower the "
        "tolerance is the least effect)"
    )
    failed = [one for one in case.evidence.tables.get("behaviour", []) if not one["passed"]]
    told = "; ".join(f"{one['name']}: {failure(one)}" for one in failed)
    return none_of(
        "behaviour_failures",
        "failed behavioural tests",
        todo,
        only_if_measured=True,
        in_plain_words=lambda reason: f"It does not behave as was declared ({told})" if told else reason,
    )


@build_gate("fairness")
def fairness(case: Case) -> Rule:
    """The gap between groups of the sensitive fields is not provably too wide."""
    gap = case.evidence.find("fairness_gap")
    subject = "the largest gap between groups" + (f" in {gap.unit}" if gap and gap.unit else "")
    todo = "look at the groups' rows and labels; more rows of the group that is missed"
    return at_most("fairness_gap", case.gates.fairness_gap, subject, todo, proof="harm", only_if_measured=True)
