"""Faults of data and declarations: planted into rows, splits and the workload file, caught before training."""

from collections.abc import Callable
from typing import Any

import polars as pl

from components.declaration.loading import parse_workload
from components.evaluation.hold_out import labels_of
from components.faults.bench import Bench, Fault, Seen
from components.features.recipe import check_feature_field
from components.monitoring.drift import compare_windows
from data_contracts.description.spec import FieldSpec
from data_contracts.language.row_checks import row_checks

ROWS = 500
WINDOW = 3_000
Choice = Callable[[FieldSpec], Any]


def _bad_value(name: str, choose: Choice) -> Fault:
    """Return the fault that one row has a bad value, for the contract's checks; not every field can hold it."""

    def holders(bench: Bench) -> list[FieldSpec]:
        return [field for field in bench.contract.inputs if choose(field) is not _NOTHING]

    def run(bench: Bench, planted: bool) -> Seen:
        frame = bench.hold_out.rows.head(ROWS)
        field = holders(bench)[0]
        if planted:
            bad = pl.Series(field.name, [choose(field), *frame[field.name][1:].to_list()], frame.schema[field.name])
            frame = frame.with_columns(bad)
        checks = row_checks(bench.contract)
        counts = frame.select([check.broken.sum().alias(check.reason) for check in checks]).row(0, named=True)
        broken = [f"{reason} ({rows} rows)" for reason, rows in counts.items() if rows]
        return {"contract": "; ".join(broken)} if broken else {}

    return Fault(name, "validate", "contract", run, lambda bench: bool(holders(bench)))


_NOTHING = object()


def out_of_range(field: FieldSpec) -> Any:
    bound = field.ge if field.ge is not None else field.gt
    return int(bound - 1) if bound is not None and field.dtype in ("integer", "number") else _NOTHING


def not_allowed(field: FieldSpec) -> Any:
    if field.dtype != "string":
        return _NOTHING
    if field.allowed or field.pattern:
        return "~" * (field.max_length or 3)
    return _NOTHING


def missing(field: FieldSpec) -> Any:
    return None if not field.nullable else _NOTHING


def not_finite(field: FieldSpec) -> Any:
    return float("inf") if field.dtype == "number" else _NOTHING


def future_feature(bench: Bench, planted: bool) -> Seen:
    later = next((f.name for f in bench.contract.fields if f.available == "after"), bench.contract.label.name)
    check_feature_field(later if planted else bench.contract.inputs[0].name, bench.contract)
    return {}


def overlapping_splits(bench: Bench, planted: bool) -> Seen:
    document = bench.workload.model_dump(mode="json", exclude_unset=True)
    if planted:
        document["split"]["validation"]["start"] = document["split"]["train"]["end"]
    parse_workload(document, where="planted")
    return {}


def goal_lowered(bench: Bench, planted: bool) -> Seen:
    """Lower the threshold and leave the sentence that people read as it was."""
    document = bench.workload.model_dump(mode="json", exclude_unset=True)
    if planted:
        document["goal"]["threshold"] = document["goal"]["threshold"] / 7
    parse_workload(document, where="planted")
    return {}


def one_class(bench: Bench, planted: bool) -> Seen:
    rows = bench.hold_out.rows
    label = bench.contract.label.name
    labels_of(rows.with_columns(pl.lit(rows[label][0]).alias(label)) if planted else rows, bench.contract)
    return {}


def _numbers(bench: Bench) -> list[str]:
    return [field.name for field in bench.contract.inputs if field.dtype == "number"]


def drifted_column(bench: Bench, planted: bool) -> Seen:
    """Shift one column of two windows by one standard deviation; the windows are otherwise rows drawn by lot."""
    inputs = [field.name for field in bench.contract.inputs]
    rows = bench.hold_out.rows.select(inputs).sample(fraction=1.0, shuffle=True, seed=bench.workload.seed)
    size = min(WINDOW, rows.height // 3)
    reference, first, second = (rows.slice(size * part, size) for part in range(3))
    name = _numbers(bench)[0]
    if planted:
        moved = (pl.col(name) + reference[name].std()).alias(name)
        first, second = first.with_columns(moved), second.with_columns(moved)
    rule, folder, seed = bench.workload.monitoring, bench.scratch / "drift", bench.workload.seed
    # As many windows as the rule asks for in a row.
    windows = {f"window {n}": (first, second)[n % 2] for n in range(rule.windows_in_a_row)}
    found = compare_windows(reference, windows, bench.contract, rule, folder, seed)
    return {"drift": found.verdict} if found.drifted else {}


FAULTS = (
    _bad_value("a value out of its range", out_of_range),
    _bad_value("a value that is not allowed", not_allowed),
    _bad_value("a required value is missing", missing),
    _bad_value("a number that is not finite", not_finite),
    Fault("a feature known only afterwards", "prepare", "WorkloadError", future_feature),
    Fault("splits that overlap in time", "declare", "WorkloadError", overlapping_splits, lambda bench: bench.in_order),
    Fault("the goal lowered, its sentence not", "declare", "WorkloadError", goal_lowered),
    Fault("a hold-out of one class", "evaluate", "SplitError", one_class),
    Fault("a drifted column", "monitor", "drift", drifted_column, lambda bench: bool(_numbers(bench))),
)
