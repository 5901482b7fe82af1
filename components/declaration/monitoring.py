"""The ``monitoring`` section of a workload file: when drift is worth waking somebody."""

from typing import Literal

from pydantic import Field

from components.declaration.section import Section


class Monitoring(Section):
    """When drift is worth waking somebody."""

    window: Literal["day", "week", "month"] = "month"
    false_alarm_rate: float = Field(0.01, gt=0, lt=0.5, description="Benjamini-Hochberg level over the columns.")
    effect: float = Field(
        0.1,
        gt=0,
        description="Smallest distance that matters: Wasserstein in standard deviations for numbers, "
        "Jensen-Shannon for categories.",
    )
    windows_in_a_row: int = Field(2, ge=1, le=30)
