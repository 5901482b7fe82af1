"""The ``gates`` section of a workload file: limits, costs of wrong answers, behavioural tests; all have defaults."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components.section import Section


class BehaviourTest(Section):
    """What the model must do when rows of the hold-out are changed in a known way."""

    name: str = Field(min_length=3, description="What is expected, in words.")
    where: dict[str, Any] = Field(default_factory=dict, description="Only rows with these values.")
    set: dict[str, Any] = Field(default_factory=dict, description="Fields and the value they all get.")
    add: dict[str, float] = Field(default_factory=dict, description="Fields and the number that is added to them.")
    expect: Literal["same", "higher", "lower", "at_least", "at_most"]
    limit: float | None = Field(None, description="For at_least and at_most: of the answer itself.")
    tolerance: float = Field(0.0, ge=0, description="Of the change; for at_least and at_most the share of exceptions.")
    of: str | None = Field(None, description="Of several classes: the one whose probability is meant.")
    rows: int = Field(2_000, ge=1, le=100_000, description="How many rows are tried.")

    @model_validator(mode="after")
    def _complete(self) -> "BehaviourTest":
        if (self.limit is None) == (self.expect in ("at_least", "at_most")):
            raise ValueError("at_least and at_most need a limit, the others take none")
        if self.limit is None and not (self.set or self.add):
            raise ValueError("say with set or add what is changed")
        return self


class Costs(Section):
    """What a wrong answer costs, in any unit: only the ratio matters."""

    false_alarm: float | None = Field(None, gt=0, description="Of yes or no: yes where it was no.")
    miss: float | None = Field(None, gt=0, description="Of yes or no: no where it was yes.")
    classes: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Of several classes: what it costs to miss each; 1 where not said."
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> "Costs":
        pair = (self.false_alarm is not None, self.miss is not None)
        if pair[0] != pair[1] or pair[0] == bool(self.classes):
            raise ValueError("give false_alarm and miss (yes or no), or classes (what it costs to miss each)")
        return self


class Gates(Section):
    """Limits besides the goal's, in units of the goal's metric. They are on: leave one out and its default holds."""

    beat_baseline_by: float = Field(
        0.0, ge=-1, le=1, description="How much better than the base-rate answer the metric's interval must be."
    )
    baseline_margin: float = Field(
        0.005, ge=0, description="How much worse than the baseline model is still good enough."
    )
    champion_margin: float = Field(0.005, ge=0, description="How much worse than the champion is still good enough.")
    slice_margin: float = Field(
        0.02,
        ge=0,
        description="A slice provably worse than the baseline (at promotion: the champion) by more is broken.",
    )
    slice_gap: float = Field(
        0.15, ge=0, description="A slice whose gain over the constant answer is provably this far below the whole's."
    )
    parity: float = Field(
        1e-5,
        gt=0,
        le=1e-2,
        description="Largest difference, trainer to graph, of a probability or in a number's usual size.",
    )
    calibration_error: float = Field(0.05, gt=0, le=1, description="Largest expected calibration error (ECE).")
    data_age_days: float | None = Field(None, gt=0, description="How old the newest training row may be; off if unset.")
    model_mb: float = Field(500, gt=0, description="Largest model file.")
    fairness_gap: float = Field(0.1, gt=0, le=1, description="Largest gap between groups in found positives.")
    sensitive: tuple[str, ...] = Field((), description="Fields whose groups must be served alike.")
    costs: Costs | None = Field(None, description="What wrong answers cost; the decision threshold follows from it.")
    behaviour: tuple[BehaviourTest, ...] = Field((), description="Invariance, direction and minimum tests.")
    undecided: Literal["fail", "pass"] = Field("fail", description="What an interval across the threshold counts as.")

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Return the contract fields that the section names, by key."""
        tested = (field for test in self.behaviour for field in (*test.where, *test.set, *test.add))
        return {"sensitive": self.sensitive, "behaviour": tuple(tested)}
