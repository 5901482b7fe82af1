"""The ``gates`` section of a workload file: limits, costs of wrong answers, behavioural tests; all have defaults."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.declaration.behaviour import BehaviourTest
from components.declaration.metrics import CLASS_METRICS
from components.declaration.section import Name, Reference, Section


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


class Floor(Section):
    """A limit on a metric besides the goal's, of the whole or of one class."""

    metric: Name = Field(description="A metric of the label, or recall, precision or f1 of a class.")
    of: str | None = Field(None, description="The class that recall, precision or f1 is of; yes or no for such labels.")
    at_least: float | None = None
    at_most: float | None = None

    @field_validator("of", mode="before")
    @classmethod
    def _as_said(cls, value: object) -> object:
        # YAML reads a bare yes as true.
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _complete(self) -> "Floor":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give one of at_least and at_most")
        if (self.metric in CLASS_METRICS) != (self.of is not None):
            told = "of which class? Say it with 'of'" if self.of is None else "is of all classes: leave 'of' out"
            raise ValueError(f"{self.metric} {told}")
        return self

    @property
    def measure(self) -> str:
        """The name that it is measured under."""
        return f"{self.metric}_{self.of}" if self.of else self.metric


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
    floors: tuple[Floor, ...] = Field((), description="Limits on further metrics, also of single classes.")
    converged: Literal["warning", "required"] = Field(
        "warning", description="Whether a training that a cap cut off is a warning, or refused."
    )
    own: tuple[Reference, ...] = Field(
        (), description="Gates of your own, module:function, asked beside ours when a build is made."
    )
    undecided: Literal["fail", "pass"] = Field("fail", description="What an interval across the threshold counts as.")

    @model_validator(mode="after")
    def _one_floor_a_metric(self) -> "Gates":
        names = [floor.measure for floor in self.floors]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one floor for {', '.join(twice)}: keep the stricter one")
        return self

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Return the contract fields that the section names, by key."""
        tested = (field for test in self.behaviour for field in (*test.where, *test.set, *test.add))
        return {"sensitive": self.sensitive, "behaviour": tuple(tested)}
