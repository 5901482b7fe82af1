"""All that was understood of a table, and what a person should look at; what is written for it is made of this."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from components.artefacts.errors import WorkloadError
from components.declaration.source import Source
from components.profiling.baseline import Reached, quick_baseline
from components.profiling.columns import Table, read_columns
from components.profiling.label import Label, find_label
from components.profiling.relations import EXACT, STRONG, Relations, relate
from components.profiling.roles import Placed, place_columns
from components.profiling.table import inside_names, is_csv, open_table

Division = Literal["time", "group", "stratified", "random"]
IMBALANCED = 0.05
HIGH_CARDINALITY = 50
FEWEST_ROWS = 40
Choose = Callable[[Table], str | None]


@dataclass(frozen=True)
class Profile:
    """A table, understood."""

    path: str
    source: Source
    table: Table
    label: Label
    placed: tuple[Placed, ...]
    relations: Relations
    division: Division
    # Columns that go by another name inside.
    renamed: dict[str, str] = field(default_factory=dict)
    baseline: Reached | None = None
    warnings: tuple[str, ...] = ()

    def of_role(self, role: str) -> list[Placed]:
        return [one for one in self.placed if one.role == role]

    def name(self, column: str) -> str:
        """Return what a column is called in the contract."""
        return self.renamed.get(column, column)


def profile_table(
    path: str,
    scratch: Path,
    *,
    label: str | None = None,
    time: str | None = None,
    group: str | None = None,
    choose_label: Choose = lambda _: None,
    taken: frozenset[str] = frozenset(),
) -> Profile:
    """Look at a table; ``choose_label`` is asked where no label is given, ``taken`` are names that no column may have.

    Raises SourceError for what cannot be read and WorkloadError for a column that cannot have the role it is given.
    """
    source, rows = open_table(path, scratch)
    table = read_columns(rows)
    label, time, group = (source.rename.get(one, one) if one else None for one in (label, time, group))
    answer = find_label(table, label or choose_label(table))
    placed = place_columns(table, answer, time, group)
    _refuse_empty(table, placed)
    features = [one.column.name for one in placed if one.role in ("feature", "time", "group")]
    relations = relate(table.sample, features, answer)
    placed = tuple(_copy_left_out(one, relations) for one in placed)
    division = _division(placed, answer)
    # What the answers call label may be the label's own name.
    free = taken - {"label"} if answer.column.name == "label" else taken
    kept = tuple(one.column.name for one in placed if one.role != "left out")
    renamed = inside_names(kept, free)
    return Profile(
        path=path,
        source=_declared(source, table, placed, renamed),
        table=table,
        label=answer,
        placed=placed,
        relations=relations,
        division=division,
        renamed=renamed,
        baseline=_baseline(table, placed, answer),
        warnings=tuple(_warnings(table, placed, answer, relations)),
    )


def _refuse_empty(table: Table, placed: tuple[Placed, ...]) -> None:
    if not any(one.role in ("feature", "time") for one in placed):
        reasons = (
            "; ".join(f"'{one.column.name}': {one.why}" for one in placed if one.why) or "there is no other column"
        )
        raise WorkloadError(f"no column is left that a model could learn from: {reasons}")
    if table.rows < FEWEST_ROWS:
        raise WorkloadError(f"the table has {table.rows} rows; a model that can be judged takes {FEWEST_ROWS} or more")


def metric_of(label: Label) -> str:
    """Return the metric that suits a label: of classes of very different sizes one in which each counts alike."""
    if label.target == "binary":
        return "auc"
    if label.target == "regression":
        return "rmse"
    counts = [rows for _, rows in label.classes]
    return "macro_f1" if max(counts) > 3 * min(counts) else "accuracy"


def _declared(source: Source, table: Table, placed: tuple[Placed, ...], renamed: dict[str, str]) -> Source:
    """Return the source with what must be said for its columns to be read as they were understood."""
    kept = [(one.column, renamed.get(one.column.name, one.column.name)) for one in placed if one.role != "left out"]
    gaps = sorted({gap for column, _ in kept for gap in column.how.gaps if gap.strip()})
    found: dict[str, Any] = {
        "rename": source.rename | renamed,
        "dates": {name: column.how.form for column, name in kept if column.how.form},
        "decimal_comma": tuple(name for column, name in kept if column.how.decimal_comma),
    }
    if is_csv(source):
        found["null_values"] = ("", *gaps)
    else:
        told = {name: dict.fromkeys(gap for gap in column.how.gaps) for column, name in kept if column.how.gaps}
        found["values"] = {name: gaps for name, gaps in told.items() if gaps}
    return source.model_copy(update=found)


def _copy_left_out(placed: Placed, relations: Relations) -> Placed:
    """Leave out a feature that is a copy of another column."""
    original = relations.copies.get(placed.column.name)
    if placed.role != "feature" or original is None:
        return placed
    return Placed(placed.column, "left out", f"it holds the same as '{original}'")


def _division(placed: tuple[Placed, ...], label: Label) -> Division:
    if any(one.role == "time" for one in placed):
        return "time"
    if any(one.role == "group" for one in placed):
        return "group"
    return "random" if label.target == "regression" else "stratified"


def _baseline(table: Table, placed: tuple[Placed, ...], label: Label) -> Reached | None:
    features = [one.column.name for one in placed if one.role in ("feature", "time")]
    if not features:
        return None
    return quick_baseline(table.sample, features, label, metric_of(label), max(10, int(table.rows * 0.15)))


def _warnings(table: Table, placed: tuple[Placed, ...], label: Label, relations: Relations) -> list[str]:
    """Say what a person should look at, a line each."""
    found = []
    for column in table.columns:
        found += [f"'{column.name}': {note}" for note in column.notes]
        if column.bad:
            found.append(f"'{column.name}': {column.bad:,} values are no {column.dtype}; their rows go to quarantine")
    features = {one.column.name for one in placed if one.role == "feature"}
    for name, area in sorted(relations.telling.items(), key=lambda item: -item[1]):
        if area > STRONG and name in features:
            told = "all but exactly" if area > EXACT else f"with AUC {area:.3f}"
            found.append(f"'{name}' alone tells '{label.column.name}' {told}: is it known before the answer is?")
    found += [
        f"'{one.column.name}' has {one.column.distinct:,} different texts"
        for one in placed
        if one.role == "feature" and one.column.is_text and one.column.distinct > HIGH_CARDINALITY
    ]
    if relations.duplicates > 0.001:
        found.append(f"{relations.duplicates:.1%} of the rows have the inputs of another row")
    found += [f"class {value!r} has {rows} rows, too few to be learnt: they are left out" for value, rows in label.rare]
    if missing := label.column.missing + label.column.bad:
        found.append(f"{missing:,} rows have no '{label.column.name}': they go to quarantine")
    shares = _class_shares(table, label)
    if shares and min(shares.values()) < IMBALANCED:
        rarest = min(shares, key=lambda one: shares[one])
        found.append(f"imbalance: {shares[rarest]:.2%} of the rows have '{label.column.name}' = {rarest}")
    return found


def _class_shares(table: Table, label: Label) -> dict[str, float]:
    if label.target == "regression":
        return {}
    counted = label.classes or label.column.values
    whole = sum(rows for _, rows in counted)
    return {str(value): rows / whole for value, rows in counted}


def label_deviation(sample: pl.DataFrame, label: Label) -> float:
    """Return the deviation of a label that is a number."""
    return float(sample.get_column(label.column.name).cast(pl.Float64).std() or 0.0)  # type: ignore[arg-type]
