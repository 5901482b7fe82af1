"""What training the tabular candidates will take: a few trees, a few evaluations, a few dozen steps, one export."""

import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from components.data.results import Prepared
from components.declaration import Workload
from components.settings import Settings
from components.training.estimate import Estimate, card_estimates, network_seconds, read_prices
from components.training.guards import Budget, budget_of
from components.workloads.tabular.candidates import network_plan
from components.workloads.tabular.keeping import Work, keep_network, open_work
from components.workloads.tabular.linear import ITERATIONS, fit_linear
from components.workloads.tabular.trees import Boosting
from data_contracts.spec import ContractSpec

TREES = 15
EVALUATIONS = 3


def estimate_candidates(prepared: Prepared, workload: Workload, contract: ContractSpec, settings: Settings) -> Estimate:
    """Probe each part of the training and return what the whole is expected to take; nothing is kept."""
    with tempfile.TemporaryDirectory() as folder:
        opening = time.perf_counter()
        work = open_work(prepared, workload, contract, Path(folder))
        parts = {"reading": time.perf_counter() - opening}
        plan = network_plan(work, settings)
        threads = plan.hardware.threads
        parts["xgboost"] = _trees_seconds(work, threads)
        if work.options.linear:
            parts["linear"] = _linear_seconds(work, threads)
        parts["network"] = network_seconds(plan)
        graphs = 2 if work.options.linear else 1
        parts["export"] = graphs * _seconds(lambda: keep_network(work, "network", plan.network().eval(), 0.0))
    budget = budget_of(work.options.time_cap_minutes, workload.goal.training_usd, settings.price_per_hour)
    wanted = sum(parts.values())
    warnings = [f"stops at the {budget.cap} of {budget.seconds:.0f} s"] if wanted > budget.seconds else []
    prices = read_prices()
    if stale := prices.warning(datetime.now(UTC).date()):
        warnings.append(stale)
    seconds = min(wanted, budget.seconds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Estimate(
        seconds=round(seconds, 1),
        usd=round(seconds / 3600 * settings.price_per_hour, 6),
        memory_mb=round(memory, 1),
        parts={name: round(taken, 2) for name, taken in parts.items()},
        steps=plan.steps,
        cards=card_estimates(plan, prices, memory),
        warnings=tuple(warnings),
    )


def _trees_seconds(work: Work, threads: int) -> float:
    """Boost a few trees twice as many as before, so that what does not depend on their number cancels out."""

    def boost(trees: int) -> float:
        few = work.options.baseline.model_copy(update={"n_estimators": trees, "patience": trees})
        train, validation = work.tables["train"], work.tables["validation"]
        boosting = Boosting(few, work.workload.seed, threads, Budget(3600.0))
        return _seconds(lambda: work.head.boost(train, validation, boosting))

    one, two = boost(TREES), boost(2 * TREES)
    each = max(two - one, 0.0) / TREES
    return one + each * (work.options.baseline.n_estimators - TREES)


def _linear_seconds(work: Work, threads: int) -> float:
    codes = tuple(feature.cardinality for feature in work.recipe.codes)
    taken = _seconds(
        lambda: fit_linear(work.head, work.tables["train"], codes, threads=threads, iterations=EVALUATIONS)
    )
    return taken / EVALUATIONS * ITERATIONS


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
