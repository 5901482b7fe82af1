"""Gates: declared limits that evidence passes, fails, or cannot decide; the same engine for every kind of model.

    report = judge(evidence, workload)          # policy() says what is asked, decide() answers from the evidence
    print("\\n".join(verdict.line for verdict in report.verdicts))

A measure with an interval passes only if its one-sided 95 % bound clears the limit, fails if the other bound is on the
wrong side, and is undecided in between. A measure without one (a cost, a count) is taken as it is.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from components.declaration import Workload
from components.evidence import Evidence, Measure, Record
from components.gate_texts import number, reason, remedy
from components.power import detectable_difference, rows_to_decide

State = Literal["passed", "failed", "undecided"]
CONFIDENCE = 0.95


class Rule(Record):
    """One question to the evidence; a workload's policy is a list of these."""

    gate: str
    measure: str
    slice: str | None = None
    direction: Literal["at_least", "at_most"]
    threshold: float
    margin: float = Field(0.0, ge=0, description="How far on the wrong side of the threshold is still good enough.")
    subject: str = Field(description="What the number is, as a person says it.")
    quote: str = Field("", description="The words of the workload file that ask for this.")
    todo: str = Field("", description="What helps when it fails.")

    @property
    def limit(self) -> float:
        return self.threshold - self.margin if self.direction == "at_least" else self.threshold + self.margin


class Verdict(Record):
    """How one gate judged; ``low`` and ``high`` are one-sided 95 % bounds."""

    gate: str
    state: State
    value: float | None
    low: float | None
    high: float | None
    threshold: float
    margin: float
    n: int | None
    reason: str
    would_pass: str = Field("", description="What would make it pass; empty if it did.")
    quote: str = ""
    power: str = Field("", description="What this many rows can and cannot tell.")
    detectable: float | None = Field(None, description="Distance from the limit that is decided with 80 % power.")
    rows_needed: int | None = Field(None, description="Rows that would decide, if the value stays what it is.")

    @property
    def line(self) -> str:
        """The verdict on one line of a terminal."""
        return f"{self.state:<9} {self.gate}: {self.reason}" + (f"; {self.would_pass}" if self.would_pass else "")


class GateReport(Record):
    """All verdicts; ``passed`` has the workload's word on undecided gates in it."""

    verdicts: tuple[Verdict, ...]
    passed: bool
    goal: str = Field(description="The goal's statement, as it stands in the workload file.")
    warnings: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The verdicts that did not pass, failed ones first."""
        return tuple(sorted((v for v in self.verdicts if v.state != "passed"), key=lambda v: v.state != "failed"))


class Context(Record):
    """What the gates must know besides the evidence of the evaluation."""

    measures: tuple[Measure, ...] = Field((), description="Measured elsewhere: data age, size, leakage findings.")


def judge(evidence: Evidence, workload: Workload, context: Context | None = None) -> GateReport:
    """Judge the evidence of a build by the workload's policy."""
    complete = evidence.with_measures(*(context.measures if context else ()))
    return report([decide(rule, complete) for rule in policy(workload)], workload)


def promotion_gates(
    workload: Workload,
    build: GateReport,
    *,
    environment: Sequence[str],
    live_parity: float,
    latency_p95_ms: float | Measure,
    serving_usd_per_1000: float | Measure,
) -> GateReport:
    """Judge what can be measured only when a build is about to serve; a refused build is never promoted."""
    refused = [verdict.gate for verdict in build.refused] if not build.passed else []
    measures = (
        _measure("refused_build_gates", len(refused), ", ".join(refused)),
        _measure("environment_differences", len(environment), ", ".join(environment)),
        _measure("live_parity", live_parity),
        _measure("latency_p95_ms", latency_p95_ms),
        _measure("serving_usd_per_1000", serving_usd_per_1000),
    )
    evidence = Evidence(workload=workload.name, model="build", split="promotion", measures=measures)
    return report([decide(rule, evidence) for rule in promotion_policy(workload)], workload)


def report(verdicts: Iterable[Verdict], workload: Workload, warnings: Sequence[str] = ()) -> GateReport:
    """Collect verdicts; undecided ones stop a build unless the workload file says otherwise."""
    collected = tuple(verdicts)
    stopping = {"failed"} if workload.gates.undecided == "pass" else {"failed", "undecided"}
    passed = not any(verdict.state in stopping for verdict in collected)
    return GateReport(verdicts=collected, passed=passed, goal=workload.goal.statement, warnings=tuple(warnings))


def policy(workload: Workload) -> tuple[Rule, ...]:
    """Return what a build of this workload must show, the goal first."""
    goal, gates = workload.goal, workload.gates
    gain = f"gain in {goal.metric} over"
    return (
        Rule(
            gate="goal",
            measure=goal.metric,
            direction=goal.direction,
            threshold=goal.threshold,
            subject=goal.metric,
            quote=goal.statement,
            todo="train on more or better data, add features, or change the goal openly",
        ),
        Rule(
            gate="better than the base rate",
            measure="gain_over_base_rate",
            direction="at_least",
            threshold=gates.beat_baseline_by,
            subject=f"{gain} the constant answer",
            todo="the features carry no signal: look for a broken join, shuffled labels, or a leak that was taken out",
        ),
        Rule(
            gate="not worse than the baseline",
            measure="gain_over_baseline",
            direction="at_least",
            threshold=0.0,
            margin=gates.baseline_margin,
            subject=f"{gain} the baseline model",
            todo="package the baseline, or train longer",
        ),
        Rule(
            gate="calibration",
            measure="calibration_error",
            direction="at_most",
            threshold=gates.calibration_error,
            subject="expected calibration error",
            todo="calibrate on the validation split",
        ),
        Rule(
            gate="parity",
            measure="parity",
            direction="at_most",
            threshold=gates.parity,
            subject="largest difference between trainer and packaged graph",
            todo="the export changes the answers: compare the recipe's columns with the graph's, one by one",
        ),
        Rule(
            gate="training cost",
            measure="training_usd",
            direction="at_most",
            threshold=goal.training_usd,
            subject="cost of the training in USD",
            quote=goal.statement,
            todo="train fewer epochs, or on a cheaper machine",
        ),
    )


def promotion_policy(workload: Workload) -> tuple[Rule, ...]:
    """Return what a build must show on the machine that will serve it."""
    goal = workload.goal

    def at_most(gate: str, measure: str, threshold: float, subject: str, todo: str, quote: str = "") -> Rule:
        return Rule(
            gate=gate,
            measure=measure,
            direction="at_most",
            threshold=threshold,
            subject=subject,
            todo=todo,
            quote=quote,
        )

    return (
        at_most("build gates", "refused_build_gates", 0, "gates that refused the build", "build a model that passes"),
        at_most(
            "environment",
            "environment_differences",
            0,
            "packages that differ from the build's",
            "install the build's own versions, or build again here",
        ),
        at_most(
            "live parity",
            "live_parity",
            workload.gates.parity,
            "largest difference between evaluated and served answers",
            "the data plane answers differently from the evaluation: do not serve it",
        ),
        at_most(
            "latency",
            "latency_p95_ms",
            goal.latency_p95_ms,
            "p95 latency in ms",
            "serve a smaller model, or more cores",
            goal.statement,
        ),
        at_most(
            "serving cost",
            "serving_usd_per_1000",
            goal.serving_usd_per_1000,
            "cost of 1,000 answers in USD",
            "serve a smaller model, or a cheaper machine",
            goal.statement,
        ),
    )


def decide(rule: Rule, evidence: Evidence, confidence: float = CONFIDENCE) -> Verdict:
    """Answer one rule from the evidence; what was not measured is undecided."""
    measure = evidence.find(rule.measure, rule.slice)
    if measure is None:
        return Verdict(
            gate=rule.gate,
            state="undecided",
            value=None,
            low=None,
            high=None,
            threshold=rule.threshold,
            margin=rule.margin,
            n=None,
            reason=f"{rule.subject} was not measured",
            would_pass=f"measure it; it must be {rule.direction.replace('_', ' ')} {number(rule.limit)}",
            quote=rule.quote,
        )
    low, high = measure.bound("below", confidence), measure.bound("above", confidence)
    state = _state(rule, low, high)
    error = measure.standard_error()
    told = detectable_difference(error) if error else None
    needed = rows_to_decide(measure.value - rule.limit, error, measure.n) if state == "undecided" else None
    return Verdict(
        gate=rule.gate,
        state=state,
        value=measure.value,
        low=low,
        high=high,
        threshold=rule.threshold,
        margin=rule.margin,
        n=measure.n,
        reason=reason(rule, measure, state, low, high),
        would_pass="" if state == "passed" else remedy(rule, measure, state, low, high, needed),
        quote=rule.quote,
        power=f"{measure.n:,} rows tell a distance of {number(told)} from the limit (80 % power)" if told else "",
        detectable=told,
        rows_needed=needed,
    )


def _state(rule: Rule, low: float, high: float) -> State:
    if rule.direction == "at_least":
        return "passed" if low >= rule.limit else "failed" if high < rule.limit else "undecided"
    return "passed" if high <= rule.limit else "failed" if low > rule.limit else "undecided"


def _measure(name: str, value: float | Measure, detail: str = "") -> Measure:
    if isinstance(value, Measure):
        return value.model_copy(update={"name": name})
    return Measure(name=name, value=value, source="promotion", detail=detail)
