"""The part of the workload file that training is given."""

from typing import Any, Literal

from components.declaration.section import Name, Part


class TrainingGoal(Part):
    """What decides between candidates, and what they may cost together."""

    metric: Name
    unit: Literal["row", "day", "group"] | None
    training_usd: float


class TrainingPart(Part):
    """What training is told; neither a limit nor a word of the goal is in it."""

    kind: Name
    goal: TrainingGoal
    model: dict[str, Any]
    seed: int
