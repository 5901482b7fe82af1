"""The ``monitoring`` section of a workload file: when drift is worth waking somebody."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from components.declaration.section import Section

DriftTestName = Annotated[str, StringConstraints(pattern=r"^(?:[a-z][a-z0-9-]*|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")]


class Monitoring(Section):
    """When drift is worth waking somebody."""

    window: Literal["day", "week", "month"] = "month"
    false_alarm_rate: float = Field(0.01, gt=0, lt=0.5, description="Benjamini-Hochberg level over the columns.")
    effect: float = Field(
        0.1,
        gt=0,
        description="Smallest distance that matters: Wasserstein in standard deviations for numbers, "
        "Jensen-Shannon for categories, 2 AUC - 1 for vectors, or what the tests that are named return.",
    )
    windows_in_a_row: int = Field(2, ge=1, le=30)
    tests: dict[str, DriftTestName] = Field(
        default_factory=dict,
        description="Which test compares what: a column, or all numbers, categories, vectors or missing values; the "
        "name of a test of ours (ks, psi, chi-square, ...), or module:function of your own.",
    )
