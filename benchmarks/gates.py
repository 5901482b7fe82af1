"""Simulated promotions and slices: how often the gates are wrong, and whether the power that they state is true.

    python -m benchmarks.gates [--tries 4000] [--processes 2] [--case 0 1 ...]

Champion and challenger answer with normal scores, so the true difference of their AUC is known; every try draws fresh
rows and goes through the bootstrap and the gate as they ship. docs/gates.md quotes a run.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import starmap

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, norm

from components.evaluation.evidence import Evidence, Measure
from components.evaluation.metrics import Interval, paired_difference
from components.evaluation.power import ALPHA, chance_to_pass
from components.gates.judge import Verdict, decide
from components.gates.rule import Rule

Pair = tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]
# Of so many tries each part has a seed of its own: the figures do not depend on the number of processes.
PART = 100
NOISE = 0.3


@dataclass(frozen=True)
class Share:
    """In how many tries something happened, and in which share the gate says that it does (NaN: it says nothing)."""

    happened: int
    tries: int
    stated: float

    @property
    def measured(self) -> float:
        """The share of tries in which it happened."""
        return self.happened / self.tries

    @property
    def line(self) -> str:
        """Measured, with the exact 95 % interval of that many tries (Clopper & Pearson 1934), and stated."""
        low, high = binomtest(self.happened, self.tries).proportion_ci(0.95)
        stated = "-" if np.isnan(self.stated) else f"{self.stated:.1%}"
        return f"{self.measured:.1%} ({low:.1%} to {high:.1%}) | {stated} | {self.tries:,}"

    def __add__(self, other: "Share") -> "Share":
        tries = self.tries + other.tries
        stated = (self.stated * self.tries + other.stated * other.tries) / tries
        return Share(self.happened + other.happened, tries, stated)


def drawn_pair(rows: int, noise: float, random: np.random.Generator) -> Pair:
    """Return labels, champion's and challenger's scores; ``noise`` above 0.3 makes the challenger worse."""
    labels = random.random(rows) < 0.3
    known = labels + random.normal(0, 1.2, rows)
    return labels, known + random.normal(0, NOISE, rows), known + random.normal(0, noise, rows)


def true_loss(noise: float) -> float:
    """Return by how much the challenger's AUC is worse: normal scores, so Phi of the separation in standard units."""
    champion, challenger = (1.2**2 + one**2 for one in (NOISE, noise))
    return float(norm.cdf(1 / np.sqrt(2 * champion)) - norm.cdf(1 / np.sqrt(2 * challenger)))


def compared(rows: int, noise: float, resamples: int, random: np.random.Generator) -> Interval:
    """Return the gain of a fresh challenger over its champion, as the evaluation measures it."""
    labels, champion, challenger = drawn_pair(rows, noise, random)
    seed = int(random.integers(2**31))
    return paired_difference("auc", labels, challenger, champion, resamples=resamples, seed=seed)


def judged(measures: Sequence[Measure], margin: float, *, family: bool = False) -> Verdict:
    """Return what the gate says to gains over a champion: of the whole, or of a family of slices."""
    rule = Rule(
        gate="champion",
        measure="gain_over_champion",
        direction="at_least",
        threshold=0,
        margin=margin,
        subject="gain in auc over the champion",
        family=family,
        proof="harm" if family else "good",
    )
    return decide(rule, Evidence(workload="w", model="m", split="test", measures=tuple(measures)))


def gain(found: Interval, slice: str | None = None) -> Measure:
    """Return a gain as evidence."""
    return Measure.of("gain_over_champion", found, source="simulation", slice=slice)


def promotions(rows: int, noise: float, margin: float, resamples: int, tries: int, seed: int) -> Share:
    """Return how often a challenger is promoted, and how often its standard errors say it would be."""
    random = np.random.default_rng(seed)
    passed, stated = 0, 0.0
    for _ in range(tries):
        measure = gain(compared(rows, noise, resamples, random))
        passed += judged([measure], margin).state == "passed"
        stated += chance_to_pass(margin - true_loss(noise), measure.standard_error())
    return Share(passed, tries, stated / tries)


def bare_promotions(rows: int, noise: float, margin: float, resamples: int, tries: int, seed: int) -> Share:
    """Return how often 'at least as good on these rows' promotes a challenger; nothing is stated before."""
    random = np.random.default_rng(seed)
    passed = sum(compared(rows, noise, 1, random).value >= -margin for _ in range(tries))
    return Share(passed, tries, float("nan"))


def broken_slices(rows: int, noise: float, margin: float, resamples: int, tries: int, seed: int) -> Share:
    """Return how often one broken slice of fourteen is found, and how often its standard errors say it would be.

    The other thirteen are as good as the champion's, and tested along with it.
    """
    random, slices = np.random.default_rng(seed), 14
    found, stated = 0, 0.0
    for _ in range(tries):
        broken = gain(compared(rows, noise, resamples, random), "place=0")
        others = [gain(compared(rows, NOISE, resamples, random), f"place={place}") for place in range(1, slices)]
        verdict = judged([broken, *others], margin, family=True)
        found += verdict.state == "failed" and "place=0 " in verdict.reason
        stated += chance_to_pass(true_loss(noise) - margin, broken.standard_error(), ALPHA / slices)
    return Share(found, tries, stated / tries)


def sound_slices(rows: int, noise: float, margin: float, resamples: int, tries: int, seed: int) -> Share:
    """Return how often a model is refused though each of its fourteen slices is worse by the margin and no more."""
    random = np.random.default_rng(seed)
    refused = 0
    for _ in range(tries):
        measures = [gain(compared(rows, noise, resamples, random), f"place={place}") for place in range(14)]
        refused += judged(measures, margin, family=True).state == "failed"
    return Share(refused, tries, ALPHA)


Simulation = Callable[[int, float, float, int, int, int], Share]


def simulated(
    run: Simulation,
    rows: int,
    noise: float,
    margin: float,
    *,
    resamples: int,
    tries: int,
    seed: int,
    processes: int = 1,
) -> Share:
    """Return a simulation of many tries, made in parts that have a seed each."""
    seeds = np.random.SeedSequence(seed).generate_state(-(-tries // PART))
    one = partial(run, rows, noise, margin, resamples)
    if processes == 1:
        parts = list(starmap(one, ((PART, int(part)) for part in seeds)))
    else:
        with ProcessPoolExecutor(processes) as pool:
            parts = list(pool.map(one, [PART] * len(seeds), [int(part) for part in seeds]))
    return sum(parts[1:], parts[0])


def most_by_chance(tries: int, rate: float = ALPHA, level: float = 0.99) -> float:
    """Return the share that a true rate exceeds in 1 % of such simulations only: the exact binomial bound."""
    return float(binom.ppf(level, tries, rate)) / tries


def lines(tries: int, processes: int, chosen: Sequence[int]) -> Iterator[str]:
    """Yield the rows of the table in docs/gates.md; slices take fourteen comparisons a try, so fewer are made."""
    at_margin, slight, broken = 0.55, 0.425, 1.4
    cases: list[tuple[str, Simulation, int, float, float, int, int]] = [
        ("promoted", promotions, 500, at_margin, true_loss(at_margin), 1000, tries),
        ("promoted", promotions, 2000, at_margin, true_loss(at_margin), 1000, tries),
        ("promoted", promotions, 100, at_margin, true_loss(at_margin), 1000, tries),
        ("promoted", promotions, 500, slight, 0.02, 200, tries // 2),
        ("promoted", promotions, 2000, NOISE, 0.005, 200, tries // 4),
        ("promoted", promotions, 2000, slight, 0.015, 200, tries // 4),
        ("promoted", promotions, 500, at_margin, 0.005, 200, tries // 2),
        ("promoted by a bare comparison", bare_promotions, 500, at_margin, 0.0, 1, tries),
        ("one slice of 14 found", broken_slices, 300, broken, 0.005, 200, tries // 4),
        ("one slice of 14 found", broken_slices, 600, broken, 0.005, 200, tries // 4),
        ("none of 14 broken, refused", sound_slices, 300, at_margin, true_loss(at_margin), 200, tries // 4),
    ]
    yield "| what | rows | worse by | margin | resamples | measured (95 %) | stated | tries |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for place, (what, run, rows, noise, margin, resamples, count) in enumerate(cases):
        if chosen and place not in chosen:
            continue
        share = simulated(run, rows, noise, margin, resamples=resamples, tries=count, seed=place, processes=processes)
        yield f"| {what} | {rows:,} | {true_loss(noise):.4f} | {margin:.4f} | {resamples:,} | {share.line} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=4_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--case", type=int, nargs="*", default=[], help="Rows of the table, from 0; all if not given.")
    given = parser.parse_args()
    for line in lines(given.tries, given.processes, given.case):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
