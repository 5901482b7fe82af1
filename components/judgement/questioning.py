"""Ask the packaged graph about rows that were changed on purpose: permutation importance and behavioural tests."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.answer_shape import AnswerShape
from components.errors import WorkloadError
from components.judgement.evidence import Measure
from components.judgement.gate_declaration import BehaviourTest
from components.judgement.hold_out import Answers, PredictFile
from components.judgement.metrics import HIGHER_IS_BETTER, score
from data_contracts.spec import ContractSpec

SOURCE = "evaluation"
Ask = Callable[[pl.DataFrame], Answers]


def asker(model: Path, contract: ContractSpec, predict_file: PredictFile, shape: AnswerShape) -> Ask:
    """Return a function that asks the packaged graph about any rows of the contract, for what a metric judges."""

    def ask(rows: pl.DataFrame) -> Answers:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            rows.write_parquet(path)
            return shape.point(predict_file(model, contract, path))

    return ask


def permutation_importance(
    ask: Ask,
    rows: pl.DataFrame,
    labels: NDArray[Any],
    fields: Sequence[str],
    metric: str,
    *,
    seed: int,
    most: int = 4_000,
    repeats: int = 3,
) -> list[dict[str, Any]]:
    """Return how much worse the metric gets when one field is shuffled, largest loss first (Breiman 2001).

    Correlated fields stand in for each other, so a small loss does not say that a field carries nothing.
    """
    random = np.random.default_rng(seed)
    picked = np.sort(random.permutation(len(labels))[:most])
    sample, truth = rows[picked], labels[picked]
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    whole = score(metric, truth, ask(sample))
    table = []
    for field in fields:
        losses = []
        for _ in range(repeats):
            shuffled = sample.with_columns(sample[field][random.permutation(len(picked))])
            losses.append(sign * (whole - score(metric, truth, ask(shuffled))))
        table.append({"field": field, "loss": float(np.mean(losses)), "deviation": float(np.std(losses, ddof=1))})
    return sorted(table, key=lambda row: -row["loss"])


def behaviour(
    ask: Ask, rows: pl.DataFrame, tests: Sequence[BehaviourTest], *, seed: int, classes: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Run the behavioural tests of the workload file (Ribeiro et al. 2020, CheckList) and return one result each."""
    return [_run(_asked_of(ask, test, classes), rows, test, seed) for test in tests]


def _asked_of(ask: Ask, test: BehaviourTest, classes: tuple[str, ...]) -> Ask:
    """Return a function that asks for what a test is about: of several classes one, unless nothing may move."""
    if not classes or (test.of is None and test.expect == "same"):
        return ask
    if test.of not in classes:
        said = "does not say which class it is about" if test.of is None else f"there is no class '{test.of}'"
        raise WorkloadError(f"gates.behaviour '{test.name}': {said}; 'of' is one of {', '.join(classes)}")
    place = classes.index(test.of)
    return lambda rows: ask(rows)[:, place]


def behaviour_measure(results: Sequence[dict[str, Any]]) -> Measure:
    """Return how many behavioural tests failed, with their names."""
    failed = [f"{result['name']}: {result['found']}" for result in results if not result["passed"]]
    return Measure(
        name="behaviour_failures", value=len(failed), n=len(results), source=SOURCE, detail="; ".join(failed)
    )


def _run(ask: Ask, rows: pl.DataFrame, test: BehaviourTest, seed: int) -> dict[str, Any]:
    for field in [*test.where, *test.set, *test.add]:
        if field not in rows.columns:
            raise WorkloadError(f"gates.behaviour '{test.name}': '{field}' is not a field; fields: {rows.columns}")
    kept = rows.filter(*[pl.col(field) == value for field, value in test.where.items()])
    if kept.height == 0:
        raise WorkloadError(f"gates.behaviour '{test.name}': no row of the hold-out has {test.where}")
    kept = kept.sample(min(test.rows, kept.height), seed=seed)
    changed = kept.with_columns(
        *[pl.lit(value).cast(kept.schema[field]).alias(field) for field, value in test.set.items()],
        *[(pl.col(field) + value).cast(kept.schema[field]).alias(field) for field, value in test.add.items()],
    )
    answers = ask(changed).astype(np.float64)
    moved = answers - ask(kept).astype(np.float64)
    passed, found = _judged(test, answers, moved)
    return {"name": test.name, "expect": test.expect, "rows": kept.height, "passed": passed, "found": found}


def _judged(test: BehaviourTest, answers: NDArray[np.float64], moved: NDArray[np.float64]) -> tuple[bool, str]:
    mean = float(moved.mean())
    if test.expect == "same":
        return bool(np.abs(moved).max() <= test.tolerance), f"answers move by up to {np.abs(moved).max():.4g}"
    if test.expect in ("higher", "lower"):
        right = mean > test.tolerance if test.expect == "higher" else mean < -test.tolerance
        return right, f"answers move by {mean:+.4g} on average"
    limit = test.limit
    assert limit is not None  # the declaration asks for it
    share = float((answers >= limit).mean() if test.expect == "at_least" else (answers <= limit).mean())
    return share >= 1 - test.tolerance, f"{share:.1%} of the answers are {test.expect.replace('_', ' ')} {limit}"
