"""Gates of quality on the whole: the goal, further floors, and whether it is better than what is cheaper."""

import math

from components.declaration.targets import limits_of, title_of
from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, gain_over


@build_gate("goal")
def goal(case: Case) -> Rule:
    """The goal's metric reaches its threshold."""
    return Rule(
        measure=case.goal.metric,
        direction=case.goal.direction,
        threshold=case.goal.threshold,
        highest=_highest(case.goal.metric),
        subject=f"the {case.metric}",
        headline=True,
        quote=case.goal.statement,
        todo="train on more or better data, add features, or change the goal openly",
    )


@build_gate("base-rate")
def base_rate(case: Case) -> Rule:
    """It is better than the same answer for all."""
    todo = "the inputs carry no signal: look for a broken join or shuffled labels"
    least = case.gates.beat_baseline_by
    return gain_over(case, "the constant answer", "gain_over_base_rate", todo, threshold=least, strict=True)


@build_gate("baseline")
def baseline(case: Case) -> Rule:
    """It is not worse than the baseline model by more than a margin."""
    todo, margin = "package the baseline, or train longer", case.gates.baseline_margin
    return gain_over(case, "the baseline model", "gain_over_baseline", todo, margin=margin, headline=True)


@build_gate("floor")
def floors(case: Case) -> tuple[Rule, ...]:
    """Every further metric that was declared, also of single classes, reaches its limit."""
    weigh = "weigh it more (model.class_weight), " if "class_weight" in case.options else ""
    of_class = f"say what it costs to miss it (gates.costs), {weigh}or bring more rows of it"
    return tuple(
        Rule(
            gate=f"floor-{floor.measure}",
            measure=floor.measure,
            direction="at_most" if floor.at_least is None else "at_least",
            threshold=float(floor.at_most if floor.at_least is None else floor.at_least),  # type: ignore[arg-type]
            highest=_highest(floor.metric),
            subject=f"the {title_of(floor.metric)}{f' of {floor.of}' if floor.of else ''}",
            todo=of_class if floor.of else "train on more or better data, add features, or change the floor openly",
        )
        for floor in case.gates.floors
    )


def _highest(metric: str) -> float | None:
    highest = limits_of(metric)[1]
    return highest if math.isfinite(highest) else None
