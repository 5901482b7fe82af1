"""Tests of one column of a window against the reference, by name: a test is one function and one line.

    @drift_test("ks", of="numbers", distance="wasserstein")
    def kolmogorov_smirnov(reference: pl.Series, window: pl.Series) -> tuple[float, float]: ...

It returns a p-value (could the two be draws of one distribution?) and a distance (how far apart are they?), both finite
for whatever a column holds: constants, huge integers, texts that are all different. Numbers come as finite floats,
categories as texts of which the rare ones are one, vectors of one length as arrays; none has missing values, of which
``missing`` asks apart. A workload file chooses by name, or names a function of the user's own, which need not be
registered.
"""

import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from components.artefacts.errors import WorkloadError
from components.declaration.monitoring import Monitoring
from components.user_code import find_function, told_of_theirs
from data_contracts.description.spec import ContractSpec
from data_contracts.language.drift_schema import drift_schema

# SciPy loads its parts when they are first used: statistics take two seconds, which most commands never need.

Of = Literal["numbers", "categories", "vectors", "missing"]
Compare = Callable[[pl.Series, pl.Series], tuple[float, float]]
# Of a distance in standard deviations that are all zero.
FAR = 1e6
# Of numbers, for the population stability index: as many values of the reference in each.
BINS = 10
# For the domain classifier: deviations beyond which a number counts no more, and what is added to variances of one.
FARTHEST, RIDGE = 5.0, 0.1


@dataclass(frozen=True)
class DriftTest:
    """A test by its name, what it compares (None: whatever it is asked of), and what its distance is called."""

    name: str
    of: Of | None
    distance: str
    compare: Compare

    def __call__(self, reference: pl.Series, window: pl.Series) -> tuple[float, float]:
        """Return p-value and distance; WorkloadError if what the function returns is neither."""
        with told_of_theirs(f"'monitoring.tests': {self.name} failed on '{reference.name}'", WorkloadError):
            found = self.compare(reference, window)
        try:
            p_value, distance = (float(one) for one in found)
        except (TypeError, ValueError):
            p_value = distance = math.nan
        if not (0 <= p_value <= 1 and 0 <= distance < math.inf):
            raise WorkloadError(
                f"'monitoring.tests': {self.name} returned {str(found)[:80]} for '{reference.name}'; a test returns a "
                "p-value from 0 to 1 and a distance from 0 on"
            )
        return p_value, distance


TESTS: dict[str, DriftTest] = {}
DEFAULTS: dict[Of, DriftTest] = {}


def drift_test(name: str, *, of: Of, distance: str, default: bool = False) -> Callable[[Compare], DriftTest]:
    """Register a test under a name; ``default``: what is compared so if the workload file names no other."""

    def register(compare: Compare) -> DriftTest:
        if name in TESTS:
            raise ValueError(f"there are two drift tests '{name}'")
        test = TESTS[name] = DriftTest(name, of, distance, compare)
        if default:
            DEFAULTS[of] = test
        return test

    return register


def find_test(named: str, of: Of | None, key: str) -> DriftTest:
    """Return a test by name or module:function; WorkloadError with the workload's ``key`` if it cannot compare that.

    ``of``: None if it is not known yet what it is asked of.
    """
    if ":" in named:
        found = find_function(named, f"'monitoring.tests.{key}': {named}", WorkloadError)
        test = found if isinstance(found, DriftTest) else DriftTest(named.partition(":")[2], None, "distance", found)
    elif named in TESTS:
        test = TESTS[named]
    else:
        known = ", ".join(name for name, one in TESTS.items() if of in (one.of, None))
        raise WorkloadError(
            f"'monitoring.tests.{key}': unknown test '{named}'; known: {known}, or module:function of your own"
        )
    if of and test.of not in (None, of):
        raise WorkloadError(f"'monitoring.tests.{key}': {named} compares {test.of}, and this is of {of}")
    return test


def check_declared(rule: Monitoring, contract: ContractSpec) -> None:
    """Raise WorkloadError for a test that there is not, or that cannot compare what it is declared for."""
    schema = drift_schema(contract)
    for key, named in rule.tests.items():
        of = next((one for one in typing.get_args(Of) if one == key), None)
        if of is None and key in (*schema.numbers, *schema.categories):
            of = "numbers" if key in schema.numbers else "categories"
        find_test(named, of, key)


def declared_test(rule: Monitoring, of: Of, column: str = "") -> DriftTest:
    """Return what compares a column: what is declared for it, else for all of its sort, else the default of that."""
    key = column if column in rule.tests else of
    return find_test(rule.tests[key], of, key) if key in rule.tests else DEFAULTS[of]


@drift_test("ks", of="numbers", distance="wasserstein", default=True)
def kolmogorov_smirnov(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    """Compare numbers by Kolmogorov-Smirnov; how far: the Wasserstein distance in the reference's deviations."""
    before, after = reference.to_numpy(), window.to_numpy()
    p_value = float(scipy.stats.ks_2samp(before, after, method="asymp").pvalue)
    # Scaled before they are squared: a square of 1e200 is not finite.
    size = max(float(np.abs(before).max()), float(np.abs(after).max())) or 1.0
    before, after = before / size, after / size
    apart, scale = float(scipy.stats.wasserstein_distance(before, after)), float(before.std())
    return p_value, 0.0 if not apart else min(apart / scale, FAR) if scale else FAR


@drift_test("chi-square", of="categories", distance="jensen-shannon", default=True)
def chi_square(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    """Compare categories by the chi-square test of two samples; how far: the Jensen-Shannon distance."""
    table = _table(reference, window)
    return _independence(table), _distance(table)


@drift_test("psi", of="numbers", distance="population stability index")
def population_stability(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    """Compare shares of tenths of the reference by chi-square; how far: the population stability index (PSI)."""
    edges = np.unique(np.quantile(reference.to_numpy(), np.linspace(0, 1, BINS + 1)[1:-1]))
    table = np.array(
        [
            np.bincount(np.searchsorted(edges, one.to_numpy(), side="right"), minlength=len(edges) + 1)
            for one in (reference, window)
        ],
        dtype=np.float64,
    )
    # Half a row more in each: the logarithm of an empty bin is not finite.
    shares = (table + 0.5) / (table + 0.5).sum(axis=1, keepdims=True)
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return _independence(table[:, table.any(axis=0)]), max(index, 0.0)


@drift_test("domain-classifier", of="vectors", distance="2 AUC - 1", default=True)
def domain_classifier(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    """Compare vectors by how well the sides can be told apart (Lopez-Paz & Oquab 2017); how far: 2 AUC - 1.

    A linear discriminant over the numbers and their squares, so that it sees means and spreads, is fitted on half of
    each side. The other halves are ranked by it: they were not fitted, so Mann-Whitney's p-value is what it says.
    """
    before, after = reference.to_numpy().astype(np.float64), window.to_numpy().astype(np.float64)
    halves = len(before) // 2, len(after) // 2
    fitted = np.concatenate([before[: halves[0]], after[: halves[1]]])
    middle, spread = fitted.mean(axis=0), fitted.std(axis=0)
    # A number that is always the same tells nothing.
    scale = np.where(spread > 0, spread, np.inf)

    def seen(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        near = np.clip((vectors - middle) / scale, -FARTHEST, FARTHEST)
        return np.concatenate([near, near**2], axis=1)

    sides = seen(before[: halves[0]]), seen(after[: halves[1]])
    apart = [side - side.mean(axis=0) for side in sides]
    within = sum(one.T @ one for one in apart) / len(fitted)
    weights = np.linalg.solve(within + RIDGE * np.eye(len(within)), sides[1].mean(axis=0) - sides[0].mean(axis=0))
    scores = seen(before[halves[0] :]) @ weights, seen(after[halves[1] :]) @ weights
    if np.ptp(np.concatenate(scores)) == 0:
        return 1.0, 0.0
    found = scipy.stats.mannwhitneyu(scores[1], scores[0], alternative="greater", method="asymptotic")
    auc = float(found.statistic) / (len(scores[0]) * len(scores[1]))
    return float(found.pvalue), max(0.0, 2 * auc - 1)


@drift_test("fisher", of="missing", distance="jensen-shannon", default=True)
def fisher(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    """Compare the shares of missing values by Fisher's exact test; how far: the Jensen-Shannon distance."""
    table = np.array([[one.null_count(), len(one) - one.null_count()] for one in (reference, window)], dtype=np.int64)
    return float(scipy.stats.fisher_exact(table).pvalue), _distance(table.astype(np.float64))


def _table(reference: pl.Series, window: pl.Series) -> NDArray[np.float64]:
    """Return the counts [2, categories] of what occurs on either side."""
    counts = [dict(one.value_counts().iter_rows()) for one in (reference, window)]
    names = sorted({*counts[0], *counts[1]})
    return np.array([[one.get(name, 0) for name in names] for one in counts], dtype=np.float64)


def _independence(table: NDArray[np.float64]) -> float:
    return float(scipy.stats.chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0


def _distance(table: NDArray[np.float64]) -> float:
    totals = table.sum(axis=1)
    if not totals.all():
        return 0.0
    apart = float(scipy.spatial.distance.jensenshannon(table[0], table[1], base=2))
    # Rounding can make the root of a sum that is zero imaginary.
    return apart if np.isfinite(apart) else 0.0
