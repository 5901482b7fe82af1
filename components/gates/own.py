"""Gates of the user's own: functions that the workload file names, beside ours and under the same engine."""

from collections.abc import Sequence

from components.artefacts.errors import WorkloadError
from components.gates.registry import BUILD, Gate
from components.gates.rule import Case, Rule
from components.user_code import find_function, told_of_theirs


def own_gates(references: Sequence[str]) -> dict[str, Gate]:
    """Return the named functions as gates, by name; WorkloadError if one cannot be imported or has a name of ours."""
    gates: dict[str, Gate] = {}
    for reference in references:
        name = reference.partition(":")[2].replace("_", "-")
        if name in BUILD or name in gates:
            raise WorkloadError(f"'gates.own': {reference}: there is a gate '{name}' already: give it another name")
        gates[name] = _told(reference, find_function(reference, f"'gates.own': {reference}", WorkloadError))
    return gates


def own_modules(references: Sequence[str]) -> tuple[str, ...]:
    """Return the modules of the user's that are run to judge a build."""
    return tuple(dict.fromkeys(reference.partition(":")[0] for reference in references))


def _told(reference: str, gate: Gate) -> Gate:
    """Return a gate whose errors are the user's to mend, in one line."""

    def told(case: Case) -> tuple[Rule, ...]:
        with told_of_theirs(f"'gates.own': {reference} failed", WorkloadError):
            found = gate(case)
        rules = () if found is None else (found,) if isinstance(found, Rule) else found
        if not isinstance(rules, (tuple, list)) or not all(isinstance(rule, Rule) for rule in rules):
            raise WorkloadError(
                f"'gates.own': {reference} returned {str(found)[:80]!r}; a gate returns a Rule, or None"
            )
        return tuple(rules)

    return told
