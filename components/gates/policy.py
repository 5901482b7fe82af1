"""What is asked of a build and of a promotion: every registered gate, chapter by chapter, as far as it applies.

``policy`` is judged when a build is made, ``promotion_policy`` on the machine that is about to serve it.
"""

from collections.abc import Collection, Mapping

from components.evaluation.evidence import Evidence
from components.gates.own import own_gates
from components.gates.part import GatesPart
from components.gates.registry import BUILD, PROMOTION, Gate, rules_of
from components.gates.rule import Case, Rule
from components.gates.rules import behaviour, calibration, data, graph, promotion, quality, serving, slices, training

# In the order in which a person reads them; gates that are registered elsewhere follow.
CHAPTERS = (quality, calibration, graph, slices, data, behaviour, promotion, serving, training)


def policy(
    workload: GatesPart, evidence: Evidence, options: Collection[str] = (), improve: Collection[str] = ()
) -> tuple[Rule, ...]:
    """Return the rules of a build, the goal first, the user's own last.

    Remedies name the kind's ``options`` alone, and what can ``improve`` a model of it.
    """
    case = Case.of(workload, evidence, options=options, improve=improve)
    return _asked(BUILD | own_gates(workload.gates.own), case)


def promotion_policy(workload: GatesPart, evidence: Evidence, *, not_comparable: str = "") -> tuple[Rule, ...]:
    """Return what a build must show on the machine that will serve it, also beside what serves now."""
    return _asked(PROMOTION, Case.of(workload, evidence, not_comparable))


def promotion_gate_names() -> tuple[str, ...]:
    """Return the name of every gate that a promotion can ask, also of those that need a champion."""
    return tuple(_in_order(PROMOTION))


def _asked(gates: Mapping[str, Gate], case: Case) -> tuple[Rule, ...]:
    return tuple(rule for name, gate in _in_order(gates).items() for rule in rules_of(name, gate, case))


def _in_order(gates: Mapping[str, Gate]) -> dict[str, Gate]:
    chapters = [chapter.__name__ for chapter in CHAPTERS]
    place = {name: number for number, name in enumerate(chapters)}
    return dict(sorted(gates.items(), key=lambda item: place.get(item[1].__module__, len(chapters))))
