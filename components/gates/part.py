"""The part of the workload file that the gates are given."""

from typing import Any

from components.declaration.gates import Gates
from components.declaration.goal import Goal
from components.declaration.section import Part
from components.declaration.serving import Variants


class GatesServing(Part):
    """What smaller graphs may lose."""

    variants: Variants


class GatesPart(Part):
    """What judging is told; of the model's options a gate's advice quotes some."""

    goal: Goal
    gates: Gates
    serving: GatesServing
    model: dict[str, Any]
