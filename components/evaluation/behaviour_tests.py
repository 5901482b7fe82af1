"""Behavioural tests: what the answers must do when rows of the hold-out are changed in a known way."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.declaration.behaviour import BehaviourTest
from components.declaration.targets import label_unit
from components.evaluation.evidence import Measure
from components.evaluation.importance import Ask
from data_contracts.description.field_types import decode_value
from data_contracts.description.spec import ContractSpec
from data_contracts.language.frame_schema import POLARS_TYPES
from data_contracts.language.row_checks import keeps

SOURCE = "evaluation"


def behaviour(
    ask: Ask,
    rows: pl.DataFrame,
    tests: Sequence[BehaviourTest],
    contract: ContractSpec,
    *,
    seed: int,
    classes: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """Run the behavioural tests of the workload file (Ribeiro et al. 2020, CheckList) and return one result each.

    Their values were held against the contract when the file was read.
    """
    return [_run(_asked_of(ask, test, classes), rows, test, seed, contract) for test in tests]


def _asked_of(ask: Ask, test: BehaviourTest, classes: tuple[str, ...]) -> Ask:
    """Return a function that asks for what a test is about: of several classes one, unless nothing may move."""
    if not classes or test.of is None:
        return ask
    place = classes.index(test.of)
    return lambda rows: ask(rows)[:, place]


def behaviour_measure(results: Sequence[dict[str, Any]]) -> Measure:
    """Return how many behavioural tests failed, with their names."""
    failed = [f"{one['name']}: {failure(one)}" for one in results if not one["passed"]]
    return Measure(
        name="behaviour_failures", value=len(failed), n=len(results), source=SOURCE, detail="; ".join(failed)
    )


def failure(result: Mapping[str, Any]) -> str:
    """Say of a failed test what was changed, what was found and what was asked."""
    return f"with {result['changed']} {result['found']}; {result['asked']} was asked"


def _run(ask: Ask, rows: pl.DataFrame, test: BehaviourTest, seed: int, contract: ContractSpec) -> dict[str, Any]:
    """Ask about rows before and after the change; what is no row of the contract any more is left out."""
    unit = f" {label_unit(contract)}" if label_unit(contract) else ""
    told = {"name": test.name, "expect": test.expect, "changed": changed_text(test), "asked": asked_text(test, unit)}
    kept = rows.filter(*[pl.col(name).eq_missing(_value(contract, name, value)) for name, value in test.where.items()])
    if kept.height == 0:
        return {**told, "rows": 0, "passed": False, "found": f"no row of the hold-out has {test.where}"}
    kept = kept.sample(min(test.rows, kept.height), seed=seed)
    sums = {name: _sum(kept[name], number) for name, number in test.add.items()}
    changed = kept.with_columns(
        *[_value(contract, name, value).alias(name) for name, value in test.set.items()],
        *sums.values(),
    )
    # A sum that does not fit is missing, where the value was not.
    fits = [pl.col(name).is_not_null() | kept[name].is_null() for name in sums]
    is_row = changed.select(pl.all_horizontal([keeps(_inputs(contract)), *fits])).to_series()
    kept, changed = kept.filter(is_row), changed.filter(is_row)
    if kept.height == 0:
        return {**told, "rows": 0, "passed": False, "found": "after the change, no row keeps the contract"}
    answers = ask(changed).astype(np.float64)
    moved = answers - ask(kept).astype(np.float64)
    passed, found = _judged(test, answers, moved, unit)
    return {**told, "rows": kept.height, "passed": passed, "found": found}


def _value(contract: ContractSpec, name: str, value: object) -> pl.Expr:
    """Return a declared value as its field's own type, as the contract decodes it."""
    field = contract.field(name)
    return pl.lit(decode_value(field, value), dtype=POLARS_TYPES[field.dtype])


def _sum(column: pl.Series, number: float) -> pl.Series:
    if not column.dtype.is_integer():
        return column + number
    # What does not fit into 64 bits is missing.
    total = pl.col(column.name).cast(pl.Int128) + pl.lit(int(number), dtype=pl.Int128)
    return column.to_frame().select(total.cast(column.dtype, strict=False)).to_series()


def _inputs(contract: ContractSpec) -> ContractSpec:
    return msgspec.structs.replace(contract, fields=contract.inputs)


def changed_text(test: BehaviourTest) -> str:
    """Say what a test changes, and in which rows: 'rain + 0.5 where origin = JFK'."""
    changes = [f"{name} = {value}" for name, value in test.set.items()]
    changes += [f"{name} {'+' if number >= 0 else '-'} {abs(number):g}" for name, number in test.add.items()]
    where = ", ".join(f"{name} = {value}" for name, value in test.where.items())
    return f"{', '.join(changes) or 'nothing'}{f' where {where}' if where else ''}"


def asked_text(test: BehaviourTest, unit: str = "") -> str:
    """Say what a test asks of the answers: 'more than 0.5 down'."""
    if test.expect == "same":
        return f"no move of more than {test.tolerance:g}{unit}" if test.tolerance else "no move"
    if test.expect in ("higher", "lower"):
        way = "up" if test.expect == "higher" else "down"
        return f"more than {test.tolerance:g}{unit} {way}" if test.tolerance else way
    side = test.expect.replace("_", " ")
    return f"{side} {test.limit:g}{unit} in {100 * (1 - test.tolerance):g} % of the answers"


def _judged(
    test: BehaviourTest, answers: NDArray[np.float64], moved: NDArray[np.float64], unit: str
) -> tuple[bool, str]:
    mean = float(moved.mean())
    if test.expect == "same":
        return bool(np.abs(moved).max() <= test.tolerance), f"answers move by up to {np.abs(moved).max():.4g}{unit}"
    if test.expect in ("higher", "lower"):
        right = mean > test.tolerance if test.expect == "higher" else mean < -test.tolerance
        return right, f"answers move by {mean:+.4g}{unit} on average"
    limit = test.limit
    assert limit is not None  # the declaration asks for it
    share = float((answers >= limit).mean() if test.expect == "at_least" else (answers <= limit).mean())
    return (
        share >= 1 - test.tolerance,
        f"{share:.1%} of the answers are {test.expect.replace('_', ' ')} {limit:g}{unit}",
    )
