"""Gates of quality on the whole: the goal, further floors, and whether it is better than what is cheaper."""

import math

from components.declaration.metrics import find_metric, title_of
from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, gain_over


@build_gate("goal")
def goal(case: Case) -> Rule:
    """The goal's metric reaches its threshold."""
    return Rule(
        measure=case.goal.metric,
        direction=case.goal.direction,
        threshold=case.goal.threshold,
        **_ends(case.goal.metric),
        subject=f"the {case.metric}",
        headline=True,
        quote=case.goal.statement,
        todo=f"{_better(case)}, or change the goal openly",
    )


@build_gate("base-rate")
def base_rate(case: Case) -> Rule:
    """It is better than the same answer for all."""
    todo = "the inputs carry no signal: look for labels that are shuffled, or belong to other rows"
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
            **_ends(floor.metric),
            subject=f"the {title_of(floor.metric)}{f' of {floor.of}' if floor.of else ''}",
            todo=of_class if floor.of else f"{_better(case)}, or change the floor openly",
        )
        for floor in case.gates.floors
    )


def _better(case: Case) -> str:
    return ", ".join(("train on more or better data", *case.improve))


def _ends(metric: str) -> dict[str, float | None]:
    """Return the smallest and the largest value that a metric can have; None where it has no end."""
    known = find_metric(metric)
    ends = known.ends if known else (-math.inf, math.inf)
    return {name: end if math.isfinite(end) else None for name, end in zip(("lowest", "highest"), ends, strict=True)}
