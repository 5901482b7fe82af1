"""The ``goal`` section of a workload file: what the model is for, in words and in figures that agree."""

import re
from typing import Literal

from pydantic import Field, model_validator

from components.declaration.section import Name, Section


class Goal(Section):
    """What the model is for, as a person says it and as the gates read it."""

    statement: str = Field(min_length=20, description="The goal in a sentence that names every figure below.")
    metric: Name = Field(description="What decides between models and at the gate: auc, macro_f1, rmse, a kind's own.")
    direction: Literal["at_least", "at_most"] = Field(description="Which side of the threshold is good.")
    threshold: float = Field(description="What the metric must reach on the hold-out.")
    unit: Literal["row", "day", "group"] | None = Field(
        None,
        description="What future data come in, and intervals draw: single rows, days of the contract's time field, or "
        "its groups (role 'group'); the one that makes the widest interval if not said.",
    )
    latency_p95_ms: float = Field(gt=0, le=60_000, description="Milliseconds a single answer may take, p95.")
    latency_p99_ms: float | None = Field(
        None, gt=0, le=60_000, description="The same at p99; not asked if not declared."
    )
    training_usd: float = Field(gt=0, description="What one training may cost.")
    serving_usd_per_1000: float = Field(gt=0, description="What 1,000 answers may cost.")

    @model_validator(mode="after")
    def _statement_names_every_figure(self) -> "Goal":
        said = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", self.statement.replace(",", ""))}
        for key in ("threshold", "latency_p95_ms", "latency_p99_ms", "training_usd", "serving_usd_per_1000"):
            if getattr(self, key) not in (None, *said):
                figure = getattr(self, key)
                raise ValueError(f"the statement does not mention {key} ({figure}): say what the gates check")
        return self
