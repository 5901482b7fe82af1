"""Groups that must be served alike: which of them can be compared, and which are too small for it, by name."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.evaluation.evidence import Measure
from components.evaluation.slices import MAX_VALUES, values_of

# Of the names of groups that a verdict lists; the dossier's table has all of them.
NAMED = 5
Rows = NDArray[np.bool_]


def compared_groups(
    column: pl.Series, size: Callable[[Rows], int], least: int, about: str = ""
) -> tuple[dict[str, Rows], list[dict[str, Any]]]:
    """Return the groups of a column that are large enough, and a table row for each that is not.

    ``size`` counts what a group must have ``least`` of: rows, or rows of a class.
    """
    groups = values_of(column)
    compared = {value: rows for value, rows in groups.items() if size(rows) >= least}
    left_out = [
        {"group": f"{about}{column.name}={value}", "n": int(rows.sum()), "compared": False}
        for value, rows in groups.items()
        if value not in compared
    ]
    if beyond := len(column) - int(sum(rows.sum() for rows in groups.values())):
        name = f"{about}{column.name}: all beyond the {MAX_VALUES} most frequent"
        left_out.append({"group": name, "n": beyond, "compared": False})
    return compared, left_out


def worst_gap(gaps: Sequence[Measure], table: Sequence[dict[str, Any]], limit: str) -> list[Measure]:
    """Return the largest gap, which names what was not compared; ``limit`` says of which groups that is."""
    if not gaps:
        return []
    worst = max(gaps, key=lambda gap: gap.value)
    told = not_compared(table, limit)
    return [worst.model_copy(update={"detail": f"{worst.detail}; {told}"}) if told else worst]


def not_compared(table: Sequence[dict[str, Any]], limit: str) -> str:
    """Say which groups were left out: '4 of 7 groups not compared, fewer than 60 rows: ...'; empty if none was."""
    left_out = sorted((row for row in table if not row.get("compared", True)), key=lambda row: -row["n"])
    if not left_out:
        return ""
    named = ", ".join(f"{row['group']} ({row['n']:,})" for row in left_out[:NAMED])
    more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    return f"{len(left_out)} of {len(table)} groups not compared, {limit}: {named}{more}"
