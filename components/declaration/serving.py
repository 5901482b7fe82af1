"""The ``serving`` section of a workload file: how the data plane answers, and which smaller graphs may ship."""

from pydantic import Field

from components.declaration.section import Section

# Smaller models go by names: those that any graph may have, and those that a kind makes itself.
Family = str
GRAPH_FAMILIES: tuple[Family, ...] = ("int8-dynamic", "int8-static", "fp16")


class Variants(Section):
    """Smaller graphs of the chosen model: the fastest within these limits ships, else the model as trained."""

    allow: tuple[Family, ...] | None = Field(
        None, description="Which may be made, by name; [] for none, all that there are if not said."
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


class Serving(Section):
    """How the data plane answers."""

    port: int = Field(8080, ge=1, le=65_535)
    max_rows: int = Field(10_000, ge=1, le=1_000_000, description="Rows a request may hold.")
    max_body_bytes: int = Field(8_000_000, ge=1_000, le=1_000_000_000)
    decision_threshold: float = Field(0.5, ge=0, le=1, description="Probability from which the answer is yes.")
    log_predictions: float = Field(1.0, ge=0, le=1, description="Share of predictions that are logged.")
    variants: Variants = Variants()
