"""Gates: declared limits that evidence passes, fails, or cannot decide; the same engine for every kind of model.

    report = judge(evidence, workload)          # policy() says what is asked, decide() answers from the evidence
    print("\\n".join(verdict.line for verdict in report.verdicts))

A measure with an interval passes only if its one-sided 95 % bound clears the limit, fails if the other bound is on the
wrong side, and is undecided in between. A measure without one (a cost, a count) is taken as it is. Slices are asked
together: the gate fails if one of them is provably beyond the limit, corrected for how many were asked. An interval
from fewer than 100 rows, or from fewer than ten of the days or groups that it draws, decides nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure, Record
from components.evaluation.normal import norm
from components.evaluation.power import ALPHA, detectable_difference, holm, rows_to_decide
from components.evaluation.units import MIN_ROWS, MIN_UNITS
from components.gates.part import GatesPart
from components.gates.plain_words import Said, plain_words
from components.gates.policy import policy, promotion_policy
from components.gates.rule import Rule
from components.gates.slice_texts import family_power_text, family_reason, family_remedy, left_out
from components.gates.texts import (
    figures,
    not_measured,
    number,
    plural,
    power_text,
    reason,
    remedy,
    too_few,
    unit_warning,
    within_margin,
)

State = Literal["passed", "failed", "undecided"]


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
    reason: str = Field(description="Why, in a sentence; 'surely' stands for 95 % confidence.")
    figures: str = Field("", description="What the sentence rests on.")
    would_pass: str = Field("", description="What would make it pass; empty if it did.")
    warning: str = Field("", description="What a person must know although it passed.")
    quote: str = ""
    headline: bool = Field(False, description="Told in the summary of a run also if it passed.")
    power: str = Field("", description="What this many rows can and cannot tell.")
    detectable: float | None = Field(
        None, description="Distance from the limit that is decided with 80 % power; of slices by the blindest one."
    )
    rows_needed: int | None = Field(
        None,
        description="Rows (or the days or groups that its interval draws) that would decide, if the value stays what "
        "it is; of slices those on which the blindest one would be found with 80 % power if it is as far beyond the "
        "limit as the margin is wide.",
    )

    @property
    def failed(self) -> bool:
        return self.state == "failed"

    @property
    def line(self) -> str:
        """The verdict on one line: what was decided, why, and what would make it pass."""
        return f"{self.state} {self.gate}: " + "; ".join(
            part.removesuffix(".") for part in (self.reason, self.would_pass, self.warning) if part
        )


class GateReport(Record):
    """All verdicts; ``passed`` has the workload's word on undecided gates in it."""

    verdicts: tuple[Verdict, ...]
    passed: bool
    goal: str = Field(description="The goal's statement, as it stands in the workload file.")
    warnings: tuple[str, ...] = ()
    good_for: tuple[str, ...] = Field((), description="What the model does, in plain words.")
    fails: tuple[str, ...] = Field((), description="Where it fails, in plain words: also what a gate refused.")

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The verdicts that did not pass, failed ones first."""
        return tuple(sorted((v for v in self.verdicts if v.state != "passed"), key=lambda v: v.state != "failed"))


class Context(Record):
    """What the gates must know besides the evidence of the evaluation."""

    measures: tuple[Measure, ...] = Field((), description="Measured elsewhere: data age, size, leakage findings.")
    options: tuple[str, ...] = Field((), description="Keys of the model section that the kind has.")
    improve: tuple[str, ...] = Field((), description="What makes a model of the kind better, besides data.")


def judge(evidence: Evidence, workload: GatesPart, context: Context | None = None) -> GateReport:
    """Judge the evidence of a build by the workload's policy."""
    context = context or Context()
    complete = evidence.with_measures(*context.measures)
    metric = workload.goal.metric
    worn = [m.detail for m in complete.named("hold_out_uses") if m.detail]
    others = [m for m in complete.measures if m.name.startswith(f"{metric}_by_")] if workload.goal.unit else []
    alike = unit_warning(complete.find(metric), others)
    cut = complete.find("trainings_cut_off")
    # Where it is a gate, the verdict says it.
    unfinished = [cut.detail] if cut and cut.value and workload.gates.converged == "warning" else []
    judged = [(rule, decide(rule, complete)) for rule in policy(workload, complete, context.options, context.improve)]
    verdicts = [verdict for _, verdict in judged]
    said = plain_words(complete, workload, [_means(rule, verdict) for rule, verdict in judged if verdict.failed])
    warnings = [*said.warnings, *unfinished, *worn, *([alike] if alike else [])]
    return report(verdicts, workload, warnings, said)


def _means(rule: Rule, verdict: Verdict) -> str:
    """Say what a failed gate means to somebody who uses the answers."""
    why = verdict.reason.removesuffix(".")
    return rule.in_plain_words(why) if rule.in_plain_words else why


def promotion_gates(workload: Workload, evidence: Evidence, *, not_compared: str = "") -> GateReport:
    """Judge the evidence of a promotion; ``not_compared`` says why the build that serves cannot be compared."""
    part = GatesPart.of(workload)
    rules = promotion_policy(part, evidence, not_comparable=not_compared)
    return report([decide(rule, evidence) for rule in rules], part)


def report(
    verdicts: Iterable[Verdict], workload: GatesPart, warnings: Sequence[str] = (), said: Said | None = None
) -> GateReport:
    """Collect verdicts; undecided ones stop a build unless the workload file says otherwise."""
    collected = tuple(verdicts)
    stopping = {"failed"} if workload.gates.undecided == "pass" else {"failed", "undecided"}
    passed = not any(verdict.state in stopping for verdict in collected)
    warned = tuple(verdict.warning for verdict in collected if verdict.warning)
    return GateReport(
        verdicts=collected,
        passed=passed,
        goal=workload.goal.statement,
        warnings=(*warnings, *warned),
        good_for=said.good_for if said else (),
        fails=said.fails if said else (),
    )


def decide(rule: Rule, evidence: Evidence) -> Verdict:
    """Answer one rule from the evidence; what was not measured is undecided."""
    if rule.not_measurable:
        return _verdict(rule, "undecided", None, rule.not_measurable, "a person must decide: accept it by name")
    if rule.family:
        return _decide_family(rule, [m for m in evidence.named(rule.measure) if m.slice is not None])
    measure = evidence.find(rule.measure)
    if measure is None:
        return _verdict(rule, "undecided", None, not_measured(rule), f"measure it: it must be {_asked(rule)}")
    low, high = measure.bound("below"), measure.bound("above")
    if measure.low is not None and measure.few:
        return _verdict(rule, "undecided", measure, too_few(rule, measure), f"judge on at least {_enough(measure)}")
    state = _state(rule, low, high)
    error = measure.standard_error()
    needed = (
        rows_to_decide(measure.value - rule.limit, error, measure.units or measure.n) if state == "undecided" else None
    )
    would_pass = "" if state == "passed" else remedy(rule, measure, state, low, high, needed)
    return _verdict(rule, state, measure, reason(rule, measure, state, low, high), would_pass, needed)


def _decide_family(rule: Rule, measures: Sequence[Measure]) -> Verdict:
    """Fail if a slice is provably beyond the limit: one-sided tests, Holm-corrected over the slices."""
    if not measures:
        return _verdict(rule, "undecided", None, not_measured(rule), "measure the slices")
    small = [measure for measure in measures if measure.few]
    measures = [measure for measure in measures if not measure.few]
    if not measures:
        why = f"Every slice rests on fewer than {MIN_ROWS} rows or {MIN_UNITS} days or groups: {left_out(small)}."
        return _verdict(rule, "undecided", None, why, f"judge on at least {MIN_ROWS} rows of a slice")
    proven = holm([_chance_of_no_harm(rule, measure) for measure in measures], ALPHA)
    # Worst first: the proven ones, then by distance from the limit.
    sign = 1 if rule.direction == "at_least" else -1
    order = sorted(range(len(measures)), key=lambda i: (not proven[i], sign * (measures[i].value - rule.limit)))
    worst, broken = measures[order[0]], [measures[i] for i in order if proven[i]]
    state: State = "failed" if broken else "passed"
    would_pass = family_remedy(rule, broken, len(measures)) if broken else ""
    # What Holm asks of the first slice that it finds: a later one has it easier, so no slice is promised too much.
    alpha, blind = ALPHA / len(measures), max(measures, key=lambda m: m.standard_error())
    error = blind.standard_error()
    needed = rows_to_decide(rule.margin, error, blind.units or blind.n, alpha)
    why = family_reason(rule, measures, broken, worst)
    why += f" Too small to be judged: {left_out(small)}." if small else ""
    verdict = _verdict(rule, state, worst, why, would_pass, needed)
    power = family_power_text(rule, blind, len(measures))
    told = {"power": power, "detectable": detectable_difference(error, alpha), "figures": figures(rule, worst, power)}
    return verdict.model_copy(update=told) if error else verdict


def _enough(measure: Measure) -> str:
    if measure.units is not None and measure.units < MIN_UNITS:
        return f"{MIN_UNITS} {plural(measure.by)}"
    return f"{MIN_ROWS} rows"


def _chance_of_no_harm(rule: Rule, measure: Measure) -> float:
    """Return the p-value of 'the slice is within the limit', one-sided."""
    beyond = rule.limit - measure.value if rule.direction == "at_least" else measure.value - rule.limit
    error = measure.standard_error()
    if error == 0:
        return 0.0 if beyond > 0 else 1.0
    return float(norm.sf(beyond / error))


def _state(rule: Rule, low: float, high: float) -> State:
    good, bad = (low, high) if rule.direction == "at_least" else (-high, -low)
    limit = rule.limit if rule.direction == "at_least" else -rule.limit
    if bad < limit or (rule.strict and bad == limit == good):
        return "failed"
    clears = good > limit if rule.strict else good >= limit
    return "passed" if clears or rule.proof == "harm" else "undecided"


def _verdict(
    rule: Rule, state: State, measure: Measure | None, why: str, would_pass: str, needed: int | None = None
) -> Verdict:
    error = measure.standard_error() if measure else 0.0
    power = power_text(rule, measure) if measure and error else ""
    return Verdict(
        gate=rule.gate,
        state=state,
        value=measure.value if measure else None,
        low=measure.bound("below") if measure else None,
        high=measure.bound("above") if measure else None,
        threshold=rule.threshold,
        margin=rule.margin,
        n=measure.n if measure else None,
        reason=why,
        figures=figures(rule, measure, power) if measure else "",
        would_pass=would_pass,
        warning=within_margin(rule, measure) if measure and state == "passed" else "",
        quote=rule.quote,
        headline=rule.headline,
        power=power,
        detectable=detectable_difference(error) if error else None,
        rows_needed=needed,
    )


def _asked(rule: Rule) -> str:
    return f"{rule.direction.replace('_', ' ')} {number(rule.limit)}"
