"""The rule by which something of a column has moved, and by which what moved is drift.

Values, or the share of missing ones, have moved in a window if their test survives Benjamini-Hochberg over everything
that was tested *and* the distance is large enough to matter; drift is what moved in several windows in a row. Of
windows without drift at most ``false_alarm_rate`` have anything that moved.
"""

import typing
from collections.abc import Sequence
from typing import Literal

import polars as pl
import scipy

from components.artefacts.errors import WorkloadError
from components.declaration.monitoring import Monitoring
from components.monitoring.columns import categories, enough, numbers, vectors
from components.monitoring.drift_tests import DriftTest, Of, declared_test
from components.result import Result
from data_contracts.language.drift_schema import DriftSchema


class ColumnDrift(Result):
    """Values of one column in one window, or how many are missing: test, distance, whether the rule says it moved."""

    column: str
    of: Literal["values", "missing"] = "values"
    test: str
    p_value: float
    distance: str
    effect: float
    moved: bool

    @property
    def name(self) -> str:
        """The column, and that its missing values are meant."""
        return self.column if self.of == "values" else f"{self.column} (missing)"


def rule_text(rule: Monitoring, columns: int) -> str:
    """Say when it is called drift."""
    return (
        f"Benjamini-Hochberg at {rule.false_alarm_rate:g} over the values and the missing values of {columns} columns, "
        f"distance of at least {rule.effect:g}, {rule.windows_in_a_row} windows in a row"
    )


def comparable(reference: pl.DataFrame, window: pl.DataFrame, schema: DriftSchema) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both with finite numbers, few categories and vectors, each in its type: floats, texts, arrays."""
    before, after = (
        pl.DataFrame(
            [numbers(frame[name]) for name in schema.numbers]
            + [categories(reference[name], frame[name]) for name in schema.categories]
            + [vectors(frame[name]) for name in schema.vectors]
        )
        for frame in (reference, window)
    )
    return before, after


def judged_columns(reference: pl.DataFrame, window: pl.DataFrame, rule: Monitoring) -> tuple[ColumnDrift, ...]:
    """Test every column's values, where there are enough, and its missing ones; both as ``comparable`` returns them."""
    found: list[tuple[str, Literal["values", "missing"], DriftTest, tuple[float, float]]] = []
    missing = declared_test(rule, "missing")
    for name in reference.columns:
        before, after = reference[name], window[name]
        if enough(before, after):
            test = declared_test(rule, _sort(before), name)
            found.append((name, "values", test, test(before.drop_nulls(), after.drop_nulls())))
        found.append((name, "missing", missing, missing(before, after)))
    p_values = [p_value for *_, (p_value, _) in found]
    sure = significant(p_values, rule.false_alarm_rate)
    return tuple(
        ColumnDrift(
            column=name,
            of=of,
            test=test.name,
            p_value=p_value,
            distance=test.distance,
            effect=effect,
            moved=proven and effect >= rule.effect,
        )
        for (name, of, test, (p_value, effect)), proven in zip(found, sure, strict=True)
    )


def _sort(column: pl.Series) -> Of:
    if column.dtype == pl.String:
        return "categories"
    return "vectors" if isinstance(column.dtype, pl.Array) else "numbers"


def check_columns(rule: Monitoring, columns: Sequence[str]) -> None:
    """Raise WorkloadError if tests are declared for what is no column that is compared."""
    sorts = typing.get_args(Of)
    if unknown := [key for key in rule.tests if key not in (*columns, *sorts)]:
        raise WorkloadError(
            f"'monitoring.tests.{unknown[0]}': no such column is compared; columns: {', '.join(columns)}, or all that "
            f"are {', '.join(sorts)}"
        )


def significant(p_values: list[float], rate: float) -> list[bool]:
    """Return which survive Benjamini & Hochberg (1995) at that rate of false discoveries."""
    return [bool(p <= rate) for p in scipy.stats.false_discovery_control(p_values, method="bh")] if p_values else []


def in_a_row(windows: Sequence[Sequence[ColumnDrift]], windows_in_a_row: int) -> tuple[str, ...]:
    """Return what moved in at least so many consecutive windows (in all of them if there are fewer).

    A window in which it could not be tested neither counts nor breaks the row.
    """
    needed = min(windows_in_a_row, len(windows))
    drifted = []
    for name in dict.fromkeys(column.name for window in windows for column in window):
        moved = [column.moved for window in windows for column in window if column.name == name]
        longest = run = 0
        for one in moved:
            run = run + 1 if one else 0
            longest = max(longest, run)
        if longest >= min(needed, len(moved)):
            drifted.append(name)
    return tuple(drifted)
