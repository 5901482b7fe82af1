"""The part of the workload file that is given to the stage that makes smaller graphs."""

from components.declaration.serving import Variants
from components.evaluation.part import DecisionPart, DecisionServing
from components.training.part import TrainingPart


class CompressionServing(DecisionServing):
    """Which smaller graphs may ship, and what they may lose."""

    variants: Variants


class CompressionPart(TrainingPart, DecisionPart):
    """What it is told: a student is trained as the model was, and decisions are counted that it turns."""

    serving: CompressionServing
