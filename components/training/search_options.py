"""The ``search`` part of a workload's ``model`` section: which options are tried in which ranges, and for how long."""

import math
from typing import Any

from pydantic import Field, model_validator

from components.declaration.section import Section


class Range(Section):
    """Values an option may take: ``low`` to ``high`` (whole numbers if both are), or one of ``choices``."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(False, description="Try orders of magnitude evenly.")
    choices: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _one_form(self) -> "Range":
        bounded = self.low is not None and self.high is not None
        if bounded == bool(self.choices) or (self.low is None) != (self.high is None):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None:
            if self.high <= self.low:
                raise ValueError(f"high ({self.high}) must be above low ({self.low})")
            if self.log and self.low <= 0:
                raise ValueError(f"with log, low ({self.low}) must be above 0")
        return self

    @property
    def limits(self) -> tuple[Any, ...]:
        """Values that an option must be able to take if it can take all of them; its own bounds leave out no middle."""
        if self.low is None or self.high is None:
            return self.choices
        if isinstance(self.low, int) and isinstance(self.high, int):
            return self.low, self.high
        # A fraction, which whole numbers cannot take: 1.5 and 4.5 may both be drawn from 1.0 to 5.0.
        return self.low, self.high, self.low + (self.high - self.low) / math.pi


class SearchOptions(Section):
    """A search for better options before the model is trained."""

    trials: int = Field(20, ge=1, le=100_000)
    minutes: float = Field(
        10,
        gt=0,
        description="Of the clock, whatever else the machine does. No trial begins after this; one that runs is ended.",
    )
    ranges: dict[str, Range] = Field(min_length=1, description="Option of the kind -> what it may be.")
