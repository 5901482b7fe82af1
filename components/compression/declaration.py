"""The ``serving.variants`` section of a workload file: which smaller graphs may ship, and what they may cost."""

from typing import Literal

from pydantic import Field

from components.section import Section

Family = Literal["int8-dynamic", "int8-static", "fp16", "pruned", "distilled"]


class Variants(Section):
    """Smaller graphs of the chosen model: the fastest within these limits ships, else the model as trained."""

    allow: tuple[Family, ...] = Field(
        ("int8-dynamic", "int8-static", "fp16", "pruned", "distilled"), description="What may be made; [] for nothing."
    )
    quality_loss: float = Field(
        0.001, ge=0, description="What may be lost of the goal's metric: the interval's end must stay within it."
    )
    answer_change: float = Field(
        0.1,
        gt=0,
        description="How far one answer may move: of a probability, or of a number in label's sizes.",
    )
    gain: float = Field(
        0.1, gt=0, lt=1, description="Share of the processor time that a variant must save to be worth a change."
    )
