"""One question to the evidence: what is asked, under which condition, in which words, and what helps if it fails."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from components.declaration.gates import Gates
from components.declaration.goal import Goal
from components.declaration.metrics import title_of
from components.declaration.serving import Variants
from components.evaluation.evidence import Evidence, Record
from components.gates.part import GatesPart

Direction = Literal["at_least", "at_most"]


class Rule(Record):
    """One question to the evidence.

    ``proof`` says who must prove: with "good" the measure's bound must clear the limit; with "harm" it fails only if
    the measure is provably beyond the limit. A ``family`` asks every slice and corrects for their number (Holm 1979).
    """

    gate: str = Field("", description="Its name; that of the registration if not given.")
    measure: str
    direction: Direction
    threshold: float
    subject: str = Field(description="What the number is, as a person says it.")
    rival: str = Field("", description="Of a gain: over whom.")
    metric: str = Field("", description="Of a gain: in which metric.")
    counted: str = Field("", description="Of a count of what may not be: the things that are counted.")
    unit: str = Field("", description="What its numbers are in: hours; empty for most.")
    margin: float = Field(0.0, ge=0, description="How far on the wrong side of the threshold is still good enough.")
    strict: bool = Field(False, description="On the limit is not good enough: a constant gains exactly nothing.")
    proof: Literal["good", "harm"] = "good"
    family: bool = Field(False, description="Asked of every slice instead of the whole.")
    only_if_measured: bool = Field(False, description="Not asked where nothing measured it; else that is undecided.")
    not_measurable: str = Field("", description="Why it cannot be measured at all: undecided, a person decides.")
    lowest: float | None = Field(0.0, description="The lowest that the measure can be; None if there is no end.")
    highest: float | None = Field(None, description="The highest that it can be.")
    headline: bool = Field(False, description="Told in the summary of a run also if it passed.")
    quote: str = Field("", description="The words of the workload file that ask for this.")
    todo: str = Field("", description="What helps when it fails.")
    in_plain_words: Callable[[str], str] | None = Field(
        None, description="Makes of the verdict's reason what a failure means to somebody who uses the answers."
    )

    @property
    def limit(self) -> float:
        return self.threshold - self.margin if self.direction == "at_least" else self.threshold + self.margin

    @property
    def best(self) -> float | None:
        """The best that the measure can be; errors, times, costs and gaps end at nothing."""
        return self.lowest if self.direction == "at_most" else self.highest


@dataclass(frozen=True)
class Case:
    """What a gate is asked about: what the workload file wants, and what was measured of the model."""

    goal: Goal
    gates: Gates
    variants: Variants
    calibration: str
    evidence: Evidence
    not_comparable: str = ""
    # Keys of the ``model`` section that its kind has: a remedy must not name one that the workload file cannot hold.
    options: Collection[str] = ()
    # What makes a model of its kind better, besides data.
    improve: Collection[str] = ()

    @classmethod
    def of(
        cls, workload: GatesPart, evidence: Evidence, not_comparable: str = "", **of_kind: Collection[str]
    ) -> "Case":
        """Return the case of a workload; ``not_comparable`` says why what serves cannot be compared with."""
        return cls(
            goal=workload.goal,
            gates=workload.gates,
            variants=workload.serving.variants,
            calibration=str(workload.model.get("calibration", "auto")),
            evidence=evidence,
            not_comparable=not_comparable,
            **of_kind,
        )

    @property
    def metric(self) -> str:
        """The goal's metric as a person writes it."""
        return title_of(self.goal.metric)

    def measures(self, rule: Rule) -> bool:
        """Return whether something measured what a rule asks about: of slices, or of the whole."""
        return any((one.slice is not None) == rule.family for one in self.evidence.named(rule.measure))


def at_most(measure: str, threshold: float, subject: str, todo: str, **more: Any) -> Rule:
    """Return the rule that a cost, a time or an error stays within its limit; ``more`` are further keys of it."""
    return Rule(measure=measure, direction="at_most", threshold=threshold, subject=subject, todo=todo, **more)


def none_of(measure: str, counted: str, todo: str, **more: Any) -> Rule:
    """Return the rule that there are none of the things that a measure counts."""
    return at_most(measure, 0, f"the number of {counted}", todo, counted=counted, **more)


def gain_over(case: Case, rival: str, measure: str, todo: str, *, threshold: float = 0.0, **more: Any) -> Rule:
    """Return the rule that the model is no worse than a rival, in the goal's metric."""
    return Rule(
        measure=measure,
        direction="at_least",
        threshold=threshold,
        subject=f"gain in {case.goal.metric} over {rival}",
        rival=rival,
        metric=case.metric,
        todo=todo,
        **more,
    )
