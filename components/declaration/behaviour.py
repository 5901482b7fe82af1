"""What a workload file may ask of an evaluation besides its metrics: behavioural tests."""

from typing import Any, Literal

from pydantic import Field, model_validator

from components.declaration.section import Section


class BehaviourTest(Section):
    """What the model must do when rows of the hold-out are changed in a known way."""

    name: str = Field(min_length=3, description="What is expected, in words.")
    where: dict[str, Any] = Field(default_factory=dict, description="Only rows with these values.")
    set: dict[str, Any] = Field(default_factory=dict, description="Fields and the value they all get.")
    add: dict[str, float] = Field(default_factory=dict, description="Fields and the number that is added to them.")
    expect: Literal["same", "higher", "lower", "at_least", "at_most"]
    limit: float | None = Field(None, description="For at_least and at_most: of the answer itself.")
    tolerance: float = Field(
        0.0,
        ge=0,
        description="same: how far an answer may move; higher, lower: how far answers must move on average, at least "
        "(a least effect, no allowance); at_least, at_most: the share of answers that may be exceptions.",
    )
    of: str | None = Field(None, description="Of several classes: the one whose probability is meant.")
    rows: int = Field(2_000, ge=1, le=100_000, description="How many rows are tried.")

    @model_validator(mode="after")
    def _complete(self) -> "BehaviourTest":
        if (self.limit is None) == (self.expect in ("at_least", "at_most")):
            raise ValueError("at_least and at_most need a limit, the others take none")
        if self.limit is None and not (self.set or self.add):
            raise ValueError("say with set or add what is changed")
        return self
