"""What a build must show, as data: one rule a gate, made from the workload file; the engine in gates.py reads them.

``policy`` is judged when a build is made, ``promotion_policy`` on the machine that is about to serve it.
"""

from typing import Literal

from pydantic import Field

from components.declaration.targets import METRICS, title_of
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Record
from components.gates.remedies import calibration_remedy
from components.provenance import how_to_pin

Direction = Literal["at_least", "at_most"]


class Rule(Record):
    """One question to the evidence.

    ``proof`` says who must prove: with "good" the measure's bound must clear the limit; with "harm" it fails only if
    the measure is provably beyond the limit. A ``family`` asks every slice and corrects for their number (Holm 1979).
    """

    gate: str
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
    quote: str = Field("", description="The words of the workload file that ask for this.")
    todo: str = Field("", description="What helps when it fails.")

    @property
    def limit(self) -> float:
        return self.threshold - self.margin if self.direction == "at_least" else self.threshold + self.margin


def policy(workload: Workload, evidence: Evidence) -> tuple[Rule, ...]:
    """Return the rules of a build, the goal first.

    Rules about what need not exist (slices, an audit that a kind has not) are asked where it was measured.
    """
    rules = (
        *_quality(workload, evidence),
        *_floors(workload),
        *_slices(workload, evidence),
        *_operation(workload, evidence),
    )
    # Asked only where there is something to ask.
    optional = {
        "compression",
        "parity-ladder",
        "stage-budget",
        "stage-budget-p99",
        "answer-change",
        "slices",
        "slice-floor",
        "leakage",
        "freshness",
        "size",
        "behaviour",
        "fairness",
    }
    if workload.goal.metric not in METRICS["binary"]:
        optional.add("calibration")
    rules = tuple(_in_unit(rule, workload, evidence) for rule in rules)
    asked = [rule for rule in rules if rule.gate not in optional or _measured(rule, evidence)]
    undeclared = {
        gate
        for gate, limit in (
            ("freshness", workload.gates.data_age_days),
            ("stage-budget-p99", workload.goal.latency_p99_ms),
        )
        if limit is None
    }
    return tuple(rule for rule in asked if rule.gate not in undeclared)


def _in_unit(rule: Rule, workload: Workload, evidence: Evidence) -> Rule:
    """Return a rule that knows what its numbers are in; gains are in units of the goal's metric."""
    return rule.model_copy(update={"unit": evidence.unit_of(workload.goal.metric if rule.rival else rule.measure)})


def _unit(evidence: Evidence, name: str) -> str:
    measure = evidence.find(name)
    return f" in {measure.unit}" if measure and measure.unit else ""


def _measured(rule: Rule, evidence: Evidence) -> bool:
    return any((measure.slice is not None) == rule.family for measure in evidence.named(rule.measure))


def _quality(workload: Workload, evidence: Evidence) -> tuple[Rule, ...]:
    goal, gates = workload.goal, workload.gates
    gain, metric = f"gain in {goal.metric} over", title_of(goal.metric)
    return (
        Rule(
            gate="goal",
            measure=goal.metric,
            direction=goal.direction,
            threshold=goal.threshold,
            subject=f"the {metric}",
            quote=goal.statement,
            todo="train on more or better data, add features, or change the goal openly",
        ),
        Rule(
            gate="base-rate",
            measure="gain_over_base_rate",
            direction="at_least",
            threshold=gates.beat_baseline_by,
            strict=True,
            subject=f"{gain} the constant answer",
            rival="the constant answer",
            metric=metric,
            todo="the features carry no signal: look for a broken join or shuffled labels",
        ),
        Rule(
            gate="baseline",
            measure="gain_over_baseline",
            direction="at_least",
            threshold=0.0,
            margin=gates.baseline_margin,
            subject=f"{gain} the baseline model",
            rival="the baseline model",
            metric=metric,
            todo="package the baseline, or train longer",
        ),
        _at_most(
            "calibration",
            "calibration_error",
            gates.calibration_error,
            "the calibration error",
            calibration_remedy(workload, evidence),
        ),
        _at_most(
            "parity",
            "parity",
            gates.parity,
            "the largest difference between trainer and packaged graph",
            "the export changes the answers: compare the recipe's columns with the graph's, one by one",
        ),
        Rule(
            gate="compression",
            measure="gain_over_uncompressed",
            direction="at_least",
            threshold=0.0,
            margin=workload.serving.variants.quality_loss,
            proof="harm",
            subject=f"{gain} the model as trained",
            rival="the model as trained",
            metric=metric,
            todo="ship the model as trained: serving.variants.allow: []",
        ),
        _at_most(
            "answer-change",
            "answer_change",
            workload.serving.variants.answer_change,
            "the largest change of an answer by compression",
            "ship the model as trained: serving.variants.allow: []",
        ),
    )


def _floors(workload: Workload) -> tuple[Rule, ...]:
    of_class = (
        "say what it costs to miss it (gates.costs), weigh it more (model.class_weight), or bring more rows of it"
    )
    return tuple(
        Rule(
            gate=f"floor-{floor.measure}",
            measure=floor.measure,
            direction="at_most" if floor.at_least is None else "at_least",
            threshold=float(floor.at_most if floor.at_least is None else floor.at_least),  # type: ignore[arg-type]
            subject=f"the {title_of(floor.metric)}{f' of {floor.of}' if floor.of else ''}",
            todo=of_class if floor.of else "train on more or better data, add features, or change the floor openly",
        )
        for floor in workload.gates.floors
    )


def _slices(workload: Workload, evidence: Evidence) -> tuple[Rule, ...]:
    goal, gates = workload.goal, workload.gates
    whole = evidence.find("gain_over_base_rate")
    return (
        _no_worse_slice(workload, "slices", "baseline"),
        Rule(
            gate="slice-floor",
            measure="gain_over_base_rate",
            direction="at_least",
            threshold=whole.value if whole else 0.0,
            margin=gates.slice_gap,
            subject=f"gain in {goal.metric} over the constant answer",
            rival="the constant answer",
            metric=title_of(goal.metric),
            proof="harm",
            family=True,
            todo="the model is much worse there than elsewhere: look at the rows of that slice",
        ),
    )


def _no_worse_slice(workload: Workload, gate: str, rival: str) -> Rule:
    return Rule(
        gate=gate,
        measure=f"gain_over_{rival}",
        direction="at_least",
        threshold=0.0,
        margin=workload.gates.slice_margin,
        subject=f"gain in {workload.goal.metric} over the {rival}",
        rival=f"the {rival}",
        metric=title_of(workload.goal.metric),
        proof="harm",
        family=True,
        todo="look at the rows of that slice: too few, a broken field, or another relation to the label",
    )


def _operation(workload: Workload, evidence: Evidence) -> tuple[Rule, ...]:
    goal, gates = workload.goal, workload.gates
    return (
        _none("leakage", "leakage_findings", "leaks of the label into features or splits", "take the leak out of them"),
        _none(
            "behaviour",
            "behaviour_failures",
            "failed behavioural tests",
            "bring rows from which the model can learn it, or change what the test asks (of higher and lower the "
            "tolerance is the least effect)",
        ),
        *_converged(workload),
        Rule(
            gate="fairness",
            measure="fairness_gap",
            direction="at_most",
            threshold=gates.fairness_gap,
            proof="harm",
            subject=f"the largest gap between groups{_unit(evidence, 'fairness_gap')}",
            todo="look at the groups' rows and labels; more rows of the group that is missed",
        ),
        _at_most(
            "freshness", "data_age_days", gates.data_age_days or 0, "the age of the data in days", "bring newer data"
        ),
        _ladder(),
        _at_most(
            "stage-budget",
            "stage_budget_p95_ms",
            goal.latency_p95_ms,
            "the time of a request in ms, the p95 of its stages added up,",
            "see which stage in the dossier or with slipway profile; serve a smaller model",
            goal.statement,
        ),
        _at_most(
            "stage-budget-p99",
            "stage_budget_p99_ms",
            goal.latency_p99_ms or 0,
            "the time of a request in ms, the p99 of its stages added up,",
            "see which stage in the dossier or with slipway profile; serve a smaller model",
            goal.statement,
        ),
        _at_most("size", "model_mb", gates.model_mb, "the size of the model in MB", "a smaller or quantised model"),
        _at_most(
            "training-cost",
            "training_usd",
            goal.training_usd,
            "the cost of the training in USD",
            "train fewer epochs, or on a cheaper machine",
            goal.statement,
        ),
    )


def promotion_policy(workload: Workload, evidence: Evidence, *, compared: bool) -> tuple[Rule, ...]:
    """Return what a build must show on the machine that will serve it; ``compared``: also against what serves now."""
    goal = workload.goal
    against = _against_champion(workload, evidence) if compared else ()
    return (
        *(_in_unit(rule, workload, evidence) for rule in against),
        _none("build-gates", "refused_build_gates", "gates that refused the build", "build one that passes"),
        _none(
            "environment",
            "environment_differences",
            "packages that differ from the pinned set",
            f"{how_to_pin()} puts it right",
        ),
        _ladder(),
        _at_most(
            "live-parity",
            "live_parity",
            workload.gates.parity,
            "the largest difference between evaluated and served answers",
            "the data plane answers differently from the evaluation: do not serve it",
        ),
        _at_most(
            "latency",
            "latency_p95_ms",
            goal.latency_p95_ms,
            "the p95 latency in ms",
            "serve a smaller model, or give it more cores",
            goal.statement,
        ),
        _at_most(
            "serving-cost",
            "serving_usd_per_1000",
            goal.serving_usd_per_1000,
            "the cost of 1,000 answers in USD",
            "serve a smaller model, or use a cheaper machine",
            goal.statement,
        ),
    )


def promotion_gate_names(workload: Workload) -> tuple[str, ...]:
    """Return the name of every gate that a promotion can ask, also of those that need a champion."""
    nothing = Evidence(workload=workload.name, model="", split="promotion", measures=())
    asked = [rule.gate for rule in promotion_policy(workload, nothing, compared=True)]
    return (*asked, "champion-slices")


def _against_champion(workload: Workload, evidence: Evidence) -> tuple[Rule, ...]:
    whole = Rule(
        gate="champion",
        measure="gain_over_champion",
        direction="at_least",
        threshold=0.0,
        margin=workload.gates.champion_margin,
        subject=f"gain in {workload.goal.metric} over the champion",
        rival="the champion",
        metric=title_of(workload.goal.metric),
        todo="keep the champion",
    )
    slices = _no_worse_slice(workload, "champion-slices", "champion")
    return (whole, slices) if _measured(slices, evidence) else (whole,)


def _ladder() -> Rule:
    return _none(
        "parity-ladder",
        "broken_rungs",
        "broken rungs of the parity ladder",
        "the named step changes the answers: look at what lies between it and the one before",
    )


def _converged(workload: Workload) -> tuple[Rule, ...]:
    if workload.gates.converged == "warning":
        return ()
    todo = "raise model.time_cap_minutes or goal.training_usd, or ask for fewer epochs"
    return (_none("converged", "trainings_cut_off", "trainings that were cut off", todo),)


def _none(gate: str, measure: str, counted: str, todo: str) -> Rule:
    rule = _at_most(gate, measure, 0, f"the number of {counted}", todo)
    return rule.model_copy(update={"counted": counted})


def _at_most(gate: str, measure: str, threshold: float, subject: str, todo: str, quote: str = "") -> Rule:
    return Rule(
        gate=gate,
        measure=measure,
        direction="at_most",
        threshold=threshold,
        subject=subject,
        todo=todo,
        quote=quote,
    )
