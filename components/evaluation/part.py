"""The parts of the workload file that evaluation is given: what to measure, and no limit that judges it."""

from typing import Literal

from components.declaration.behaviour import BehaviourTest
from components.declaration.features import FeatureStep
from components.declaration.gates import Costs
from components.declaration.section import Name, Part


class DecisionGates(Part):
    """What wrong answers cost: the threshold follows from it."""

    costs: Costs | None


class DecisionServing(Part):
    """The threshold that is declared."""

    decision_threshold: float


class DecisionPart(Part):
    """What turns answers into decisions."""

    gates: DecisionGates
    serving: DecisionServing


class EvaluationGates(DecisionGates):
    """What must be measured so that it can be judged."""

    behaviour: tuple[BehaviourTest, ...]
    sensitive: tuple[str, ...]


class EvaluationGoal(Part):
    """The metric that the goal names, and what its interval draws."""

    metric: Name
    unit: Literal["row", "day", "group"] | None


class EvaluationPart(DecisionPart):
    """What evaluation is told."""

    name: Name
    kind: Name
    goal: EvaluationGoal
    features: tuple[FeatureStep, ...]
    gates: EvaluationGates
    seed: int
