"""Which column is to be predicted, and what kind of answer it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.artefacts.errors import WorkloadError
from components.declaration.targets import Target
from components.profiling.columns import Column, Table

# What people call the column that is to be predicted.
NAMES = ("target", "label", "class", "outcome", "y", "response")
# More different whole numbers than these are a number, not classes.
MOST_NUMBER_CLASSES = 12
MOST_CLASSES = 50
# Rows that a class must have to be learnt and measured: as many as the three splits, and one more each.
FEWEST = 8
_YES = frozenset(["yes", "y", "true", "t", "1", "positive", "pos", "success", "bad", "ja", "oui", "si", "sí", "да"])
_NO = frozenset(["no", "n", "false", "f", "0", "negative", "neg", "none", "good", "nein", "non", "нет", "normal"])


@dataclass(frozen=True)
class Label:
    """The column to be predicted; ``classes`` in order, with the rows of each; none for numbers, and for true or false.

    Of two classes the second is what the probability is of.
    """

    column: Column
    target: Target
    classes: tuple[tuple[str | int, int], ...] = ()
    # Classes with too few rows to be learnt: their rows are left out.
    rare: tuple[tuple[str | int, int], ...] = ()


def find_label(table: Table, wanted: str | None) -> Label:
    """Return the label; WorkloadError for a column that nothing can be learnt of, or if it could be several."""
    if wanted is None:
        likely = likely_labels(table)
        if len(likely) != 1:
            told = f"it could be {' or '.join(likely)}" if likely else "no column is called as labels are"
            raise WorkloadError(
                f"which column is to be predicted? {told}: give --label; columns: {', '.join(table.names)}"
            )
        wanted = likely[0]
    if wanted not in table.names:
        raise WorkloadError(f"--label: there is no column '{wanted}'; columns: {', '.join(table.names)}")
    return _label(table.column(wanted))


def likely_labels(table: Table) -> list[str]:
    """Return the columns that are called as labels are, and have more than one value."""
    return [one.name for one in table.columns if one.name.lower().strip() in NAMES and one.distinct > 1]


def _label(column: Column) -> Label:
    if column.dtype is None or column.dtype in ("date", "datetime"):
        raise WorkloadError(
            f"--label: '{column.name}' holds {column.dtype or 'values that are no single ones'}, which cannot be "
            "predicted: make a number of it, such as days from a day"
        )
    if column.distinct < 2:
        raise WorkloadError(f"--label: '{column.name}' has {column.distinct} value: there is nothing to predict")
    values = [value for value, _ in column.values]
    if column.dtype == "boolean" or (column.dtype in ("integer", "number") and set(values) == {0, 1}):
        return Label(column, "binary")
    if column.dtype == "integer" and _are_classes(column):
        return _classes(column, sorted(column.values, key=lambda one: one[0]))
    if column.dtype == "string":
        if column.distinct > MOST_CLASSES:
            raise WorkloadError(
                f"--label: '{column.name}' has {column.distinct:,} different texts, for instance "
                f"{column.example!r}: at most {MOST_CLASSES} classes can be learnt"
            )
        return _classes(column, sorted(column.values, key=lambda one: str(one[0])))
    return Label(column, "regression")


def _are_classes(column: Column) -> bool:
    """Tell whether whole numbers stand for classes: few of them, and close together or only two."""
    if not 2 <= column.distinct <= MOST_NUMBER_CLASSES:
        return False
    return column.distinct == 2 or column.high - column.low < 2 * column.distinct


def _classes(column: Column, counted: Sequence[tuple[Any, int]]) -> Label:
    kept = tuple(one for one in counted if one[1] >= FEWEST)
    rare = tuple(one for one in counted if one[1] < FEWEST)
    if len(kept) < 2:
        raise WorkloadError(
            f"--label: fewer than two classes of '{column.name}' have {FEWEST} rows "
            f"({', '.join(f'{value!r}: {rows}' for value, rows in counted[:8])}): bring more rows"
        )
    return Label(column, "multiclass", kept, rare) if len(kept) > 2 else Label(column, "binary", _no_first(kept), rare)


def _no_first(classes: tuple[tuple[Any, int], ...]) -> tuple[tuple[Any, int], ...]:
    """Return two classes, the one that counts as yes second: by its word, else the rarer one."""
    said = [str(value).strip().lower() in _YES for value, _ in classes]
    denied = [str(value).strip().lower() in _NO for value, _ in classes]
    if said[0] != said[1]:
        return classes if said[1] else classes[::-1]
    if denied[0] != denied[1]:
        return classes if denied[0] else classes[::-1]
    return classes if classes[1][1] <= classes[0][1] else classes[::-1]
