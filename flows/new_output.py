"""What ``slipway new`` prints: the table as it was understood, what to look at, and what to do next."""

from typing import TYPE_CHECKING

from flows.drawing import make_table, open_console, warn

if TYPE_CHECKING:
    from components.profiling.columns import Column
    from components.profiling.profile import Profile
    from components.scaffolding.scaffold import Scaffold

MOST_COLUMNS, MOST_WARNINGS = 40, 20


def print_profile(name: str, profile: "Profile", files: "Scaffold") -> None:
    """Print what was understood."""
    console = open_console()
    rows = [
        (one.column.name, one.column.dtype or "-", _missing(one.column), _values(one.column), one.role, one.why)
        for one in profile.placed[:MOST_COLUMNS]
    ]
    more = f" (the first {MOST_COLUMNS} columns)" if len(profile.placed) > MOST_COLUMNS else ""
    title = f"{profile.path}: {profile.table.rows:,} rows, {len(profile.placed)} columns{more}"
    console.print(make_table("column", "type", "missing", "values", "role", "why", rows=rows, title=title))
    for warning in profile.warnings[:MOST_WARNINGS]:
        warn(console, warning)
    if len(profile.warnings) > MOST_WARNINGS:
        console.print(f"and {len(profile.warnings) - MOST_WARNINGS} more: they stand in the two files")
    for old, fresh in profile.source.rename.items():
        console.print(f"the column '{old}' is called '{fresh}' from here on", soft_wrap=True)
    label = profile.label
    yes = f"the probability of {label.classes[1][0]}" if label.target == "binary" and label.classes else "yes or no"
    what = {"binary": yes, "multiclass": f"{len(label.classes)} classes", "regression": "a number"}[label.target]
    console.print(f"label: {label.column.name} ({what}); split: {profile.division}", soft_wrap=True)
    if (reached := profile.baseline) is not None:
        console.print(
            f"a quick model reaches {reached.metric} {reached.value:.4g}, "
            f"the same answer for all {reached.constant:.4g}"
        )
    console.print(f"written: {files.contract}\n         {files.workload}", soft_wrap=True)
    console.print(f"look through both, then: slipway run {name}", soft_wrap=True)


def _missing(column: "Column") -> str:
    return f"{column.share_missing:.1%}" if column.share_missing else ""


def _values(column: "Column") -> str:
    if column.low is not None and column.dtype in ("number", "integer"):
        return f"{column.low:g} to {column.high:g}"
    if column.low is not None:
        return f"{column.low} to {column.high}"
    if column.values and column.distinct <= 4:
        return ", ".join(str(value)[:20] for value, _ in column.values)
    return f"{column.distinct:,} different" if column.distinct else ""
