"""Where gates are registered: a gate is a function from the case to its rule, and one line that names it.

    @build_gate("tail")
    def tail(case: Case) -> Rule:
        return at_most("latency_p999_ms", 20, "the p99.9 latency in ms", "serve a smaller model")

It returns no rule (None) where it does not apply, and several where it asks about several things. Its condition, its
limit, its words and its remedy stand in that function, nowhere else.
"""

from collections.abc import Callable, Sequence

from components.gates.rule import Case, Rule

Gate = Callable[[Case], Rule | Sequence[Rule] | None]

# Asked when a build is made, and on the machine that is about to serve it; by name.
BUILD: dict[str, Gate] = {}
PROMOTION: dict[str, Gate] = {}


def build_gate(name: str) -> Callable[[Gate], Gate]:
    """Register a gate of builds under a name."""
    return _registered(BUILD, name)


def promotion_gate(name: str) -> Callable[[Gate], Gate]:
    """Register a gate of promotions under a name, by which a person may accept a refusal."""
    return _registered(PROMOTION, name)


def _registered(gates: dict[str, Gate], name: str) -> Callable[[Gate], Gate]:
    def register(gate: Gate) -> Gate:
        if name in gates:
            raise ValueError(f"there are two gates '{name}': {gates[name].__module__} and {gate.__module__}")
        gates[name] = gate
        return gate

    return register


def rules_of(name: str, gate: Gate, case: Case) -> tuple[Rule, ...]:
    """Return what a gate asks in this case, in the label's unit; without what nothing measured and nothing demands."""
    found = gate(case)
    rules = () if found is None else (found,) if isinstance(found, Rule) else found
    asked = (rule for rule in rules if case.measures(rule) or not rule.only_if_measured)
    return tuple(
        rule.model_copy(
            update={
                "gate": rule.gate or name,
                # Gains are in units of the goal's metric.
                "unit": rule.unit or case.evidence.unit_of(case.goal.metric if rule.rival else rule.measure),
            }
        )
        for rule in asked
    )
