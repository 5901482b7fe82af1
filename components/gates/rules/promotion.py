"""Gates of a promotion: the champion, and what shows only on the machine that is about to serve."""

from components.gates.registry import promotion_gate
from components.gates.rule import Case, Rule, at_most, gain_over, none_of
from components.gates.rules.slices import no_worse_slice
from components.provenance import how_to_pin


@promotion_gate("champion")
def champion(case: Case) -> Rule:
    """The build is not worse than the one that serves by more than a margin; undecided if they cannot be compared."""
    return gain_over(
        case,
        "the champion",
        "gain_over_champion",
        "keep the champion",
        margin=case.gates.champion_margin,
        headline=True,
        # Before the first one there is nothing to ask.
        only_if_measured=not case.not_comparable,
        not_measurable=case.not_comparable,
    )


@promotion_gate("champion-slices")
def champion_slices(case: Case) -> Rule:
    """No slice is provably worse than the champion's by more than a margin."""
    return no_worse_slice(case, "the champion", "gain_over_champion")


@promotion_gate("build-gates")
def build_gates(case: Case) -> Rule:
    """Every gate of the build passed."""
    return none_of("refused_build_gates", "gates that refused the build", "build one that passes")


@promotion_gate("environment")
def environment(case: Case) -> Rule:
    """The packages are the pinned ones."""
    todo = f"{how_to_pin()} puts it right"
    return none_of("environment_differences", "packages that differ from the pinned set", todo)


@promotion_gate("live-parity")
def live_parity(case: Case) -> Rule:
    """What is served is what was evaluated."""
    return at_most(
        "live_parity",
        case.gates.parity,
        "the largest difference between evaluated and served answers",
        "the data plane answers differently from the evaluation: do not serve it",
    )


@promotion_gate("latency")
def latency(case: Case) -> Rule:
    """Single rows over HTTP are answered within the goal's time."""
    limit, todo = case.goal.latency_p95_ms, "serve a smaller model, or give it more cores"
    return at_most("latency_p95_ms", limit, "the p95 latency in ms", todo, quote=case.goal.statement)


@promotion_gate("serving-cost")
def serving_cost(case: Case) -> Rule:
    """A thousand answers cost no more than the goal says."""
    limit, todo = case.goal.serving_usd_per_1000, "serve a smaller model, or use a cheaper machine"
    return at_most("serving_usd_per_1000", limit, "the cost of 1,000 answers in USD", todo, quote=case.goal.statement)
