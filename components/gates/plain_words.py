"""What a model is good for and where it fails, as a person would say it: the first thing that a dossier says.

What a gate failed and what the page calls proven stands here in words, so that nobody has to know where to look. The
rest is what nobody asked: metrics that contradict the goal's, decisions that are worth nothing at their threshold, rows
where the model knows nothing, ranges that hold less than they promise. That much is a warning of the report, too.
"""

from collections.abc import Sequence

from pydantic import Field

from components.declaration.metrics import known_metrics, title_of
from components.evaluation.evidence import Evidence, Measure, Record
from components.gates.part import GatesPart
from components.gates.texts import number, rests_on
from components.gates.worse_slices import beside_whole

# Of the baseline's own value: a smaller difference is none that anybody would see.
NOTICEABLE = 0.001
SHOWN = 3


class Said(Record):
    """What a model is good for and where it fails, a sentence each."""

    good_for: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    warnings: tuple[str, ...] = Field((), description="Of the failings those that no gate asks about.")


def plain_words(evidence: Evidence, workload: GatesPart, failed: Sequence[str] = ()) -> Said:
    """Say what the evidence means for somebody who uses the answers; ``failed`` is what failed gates mean, in words."""
    good, bad = _decisions(evidence)
    ranking = _goal(evidence, workload)
    unasked = [
        *bad,
        *_contradictions(evidence, workload),
        *_blind_spots(evidence),
        *_broken_range(evidence),
        *_not_comparable(evidence, workload),
    ]
    fails = [*failed, *unasked, *_weaker(evidence, workload)]
    return Said(good_for=(*ranking, *good), fails=tuple(fails), warnings=tuple(unasked))


def _broken_range(evidence: Evidence) -> list[str]:
    """Say that the range between the outermost quantiles surely holds less than it promises."""
    levels, coverage = evidence.tables.get("quantiles") or [], evidence.find("coverage")
    if len(levels) < 2 or coverage is None or coverage.few:
        return []
    low, high = levels[0]["level"], levels[-1]["level"]
    if coverage.bound("above") >= high - low:
        return []
    return [
        f"The range from the quantile {low:g} to {high:g} promises {high - low:.0%} of what comes and holds "
        f"{coverage.value:.1%}{_range(coverage, '.1%')}"
    ]


def _weaker(evidence: Evidence, workload: GatesPart) -> list[str]:
    """Say in which slices, declared or found by search, the model is proven to be worse than on the whole."""
    metric = workload.goal.metric
    declared = [m for m, beside in beside_whole(evidence, metric) if beside == "worse"]
    named = [f"{m.slice} ({title_of(metric)} {number(m.value)}, {rests_on(m)})" for m in declared]
    known = {m.slice for m in declared}
    named += [
        f"{one['slice']} ({title_of(one['metric'])} {number(one['value'])}, {one['n']:,} rows)"
        for one in evidence.tables.get("weak_slices", [])
        # What is no better than guessing was said.
        if one["proven"] and one["slice"] not in known and not (one["metric"] == "auc" and one["value"] <= 0.5)
    ]
    if not named:
        return []
    more = f" and in {len(named) - SHOWN} more slices" if len(named) > SHOWN else ""
    return [f"Worse than on the whole, beyond doubt, where {'; where '.join(named[:SHOWN])}{more}"]


def _goal(evidence: Evidence, workload: GatesPart) -> list[str]:
    metric = workload.goal.metric
    whole = evidence.find(metric)
    if whole is None:
        return []
    unit = f" {evidence.unit_of(metric)}" if evidence.unit_of(metric) else ""
    value, sure = f"{number(whole.value)}{unit}", _range(whole)
    said = {
        "auc": f"Ranking: of a row that is yes and one that is no, it puts the yes higher in {whole.value:.0%} of cases"
        f"{_range(whole, '.0%')}; guessing does in 50%",
        "mae": f"Numbers: it is off by {value} on average{sure}",
        "rmse": f"Numbers: it is off by {value} (root mean square){sure}",
        "accuracy": f"Classes: the likeliest one is right in {whole.value:.0%} of cases{_range(whole, '.0%')}",
    }.get(metric, f"{title_of(metric)}: {value}{sure}")
    return [f"{said}{_against_constant(evidence, metric)}."]


def _against_constant(evidence: Evidence, metric: str) -> str:
    gain = evidence.find("gain_over_base_rate")
    if metric == "auc" or gain is None:
        return ""
    how = "better" if gain.value > 0 else "worse"
    unit = f" {evidence.unit_of(metric)}" if evidence.unit_of(metric) else ""
    return f", {number(abs(gain.value))}{unit} {how} than the same answer for all"


def _range(measure: Measure, form: str = "") -> str:
    if measure.low is None or measure.high is None:
        return ""
    ends = [format(end, form) if form else number(end) for end in (measure.low, measure.high)]
    return f" ({ends[0]} to {ends[1]}, known from {rests_on(measure)})"


def _decisions(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Say what the answers yes and no, or the classes, are worth beside the same answer for all."""
    saving, table = evidence.find("decision_saving"), evidence.tables.get("confusion")
    if saving is None:
        return [], []
    offer = _offer(evidence)
    if table is None:
        costs = saving.value <= 0
        said = (
            f"the classes that it answers save {saving.value:.0%} of what {saving.detail} costs{_range(saving, '.0%')}"
        )
        return ([], [f"Deciding: {said}"]) if costs else ([f"Deciding: {said}."], [])
    said = (
        f"at its threshold of {number(table['threshold'])} it finds {table['recall']:.0%} of the rows that are yes, "
        f"and {table['precision']:.0%} of its answers “yes” are right"
    )
    if saving.value <= 0:
        return [], [f"Decisions are worth nothing: {said}; {saving.detail} costs less{offer}"]
    worth = f"that saves {saving.value:.0%} of what {saving.detail} costs"
    if saving.low is not None and saving.low <= 0:
        return [], [f"Decisions are not proven to be worth anything: {said}; {worth}, but it may be nothing{offer}"]
    return [f"Deciding: {said}; {worth}{_range(saving, '.0%')}."], []


def _offer(evidence: Evidence) -> str:
    table = evidence.tables.get("thresholds")
    if not table or not table.get("chosen"):
        return ""
    one = table["chosen"]
    return (
        f"; a threshold of {number(one['threshold'])}, chosen on validation for {one['by']}, finds {one['recall']:.0%} "
        f"with {one['precision']:.0%} right: set serving.decision_threshold to it, or say in gates.costs what errors "
        "cost"
    )


def _contradictions(evidence: Evidence, workload: GatesPart) -> list[str]:
    """Say in which metrics, besides the goal's, the baseline is better: proven or not, a person should know."""
    goal, worse, proven, rival = workload.goal.metric, [], True, ""
    for metric in known_metrics():
        own, other, gain = (evidence.find(name) for name in (metric, f"baseline_{metric}", f"{metric}_over_baseline"))
        if metric == goal or own is None or other is None or gain is None:
            continue
        if gain.value < -NOTICEABLE * abs(other.value):
            worse.append(f"{title_of(metric)} ({number(own.value)} against {number(other.value)})")
            proven &= gain.high is not None and gain.high < 0
            rival = gain.detail
    if not worse:
        return []
    sure = "beyond doubt" if proven else "on this hold-out, not all of it beyond doubt"
    better = _joined(worse)
    who = f"The baseline ({rival})" if rival else "The baseline"
    return [f"{who} is better in {better}, {sure}: the goal asks for the {title_of(goal)} alone"]


def _not_comparable(evidence: Evidence, workload: GatesPart) -> list[str]:
    """Say that groups which must be served alike could not be compared at all: no gate is asked then."""
    if not workload.gates.sensitive or evidence.find("fairness_gap"):
        return []
    rows = [*evidence.tables.get("groups", []), *evidence.tables.get("biases", [])]
    if not rows:
        return []
    told = f"{len(rows)} groups of {_joined(list(workload.gates.sensitive))}"
    return [f"Nothing is known about fairness: of {told} no two are large enough to be compared"]


def _blind_spots(evidence: Evidence) -> list[str]:
    weak = [one for one in evidence.tables.get("weak_slices", []) if one["metric"] == "auc" and one["value"] <= 0.5]
    if not weak:
        return []
    named = [f"{one['slice']} (AUC {number(one['value'])}, {one['n']:,} rows)" for one in weak[:SHOWN]]
    more = f" and in {len(weak) - SHOWN} more slices" if len(weak) > SHOWN else ""
    return [f"No better than guessing where {'; where '.join(named)}{more}"]


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
