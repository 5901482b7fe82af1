"""Whether the data of a window still looks like the reference; the only door to Evidently.

Evidently draws, and says of each column what our rule says. The alarm is a rule over tests of our own (drift_tests.py),
because its verdicts raise false alarms and its tests fail on columns that occur (docs/log.md): values, or the share of
missing ones, count as moved if their test survives Benjamini-Hochberg over everything that was tested *and* the
distance is large enough to matter; drift is what moved in several windows in a row. Of windows without drift at most
``false_alarm_rate`` have anything that moved.
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from components.artefacts.errors import DataError
from components.artefacts.storage import digest_json, write_atomically
from components.declaration.monitoring import Monitoring
from components.monitoring.drift_page import header, with_header
from components.monitoring.drift_tests import (
    Found,
    categories,
    compare_categories,
    compare_missing,
    compare_numbers,
    enough,
    numbers,
    significant,
)
from components.result import Result
from data_contracts.description.spec import ContractSpec
from data_contracts.language.drift_schema import drift_schema

# Tests on more rows find differences too small to matter, and the page grows with the rows.
SAMPLE = 5_000
# Thresholds from which Evidently speaks of drift: for what moved, and for what is calm.
ALWAYS, NEVER = 1e-9, 1e9
EMPTY = "<!doctype html><html><head></head><body><p>No column has enough values to be drawn.</p></body></html>"


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


class WindowDrift(Result):
    """One window against the reference."""

    window: str
    rows: int
    columns: tuple[ColumnDrift, ...] = Field(description="Values with too few on a side to be compared are left out.")
    report: Path

    @property
    def moved(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.moved)


class DriftReport(Result):
    """Every window, and the columns that moved in as many windows in a row as the workload file asks for."""

    digest: str
    reference_rows: int
    windows: tuple[WindowDrift, ...]
    drifted: tuple[str, ...]
    rule: str
    nothing: str = Field("", description="Why there is no window to look at; empty if there is one.")

    @property
    def verdict(self) -> str:
        """Say in one line what was found."""
        if self.nothing:
            return f"nothing to look at: {self.nothing}"
        names = ", ".join(window.window for window in self.windows)
        if not self.drifted:
            return f"no drift in {names}"
        return f"drift in {', '.join(self.drifted)} over {names}"


def compare_windows(
    reference: pl.DataFrame,
    windows: Mapping[str, pl.DataFrame],
    contract: ContractSpec,
    rule: Monitoring,
    folder: Path,
    seed: int,
    scores: tuple[str, ...] = (),
    title: str = "",
) -> DriftReport:
    """Compare each window, in order of time, with the reference; write one page a window to ``folder``.

    Frames hold the contract's input fields and, where scored, the columns ``scores`` of the answers; ``title`` says
    whose windows they are.
    """
    if not windows:
        raise DataError("there is no row to monitor: the monitored period is empty")
    schema = drift_schema(contract)
    for where, frame in {"the reference": reference, **windows}.items():
        if missing := schema.missing(frame.columns):
            raise DataError(f"{where} has no column {', '.join(missing)}, which {contract.name} has: build it again")
    folder.mkdir(parents=True, exist_ok=True)
    frames = {name: _sample(window, seed) for name, window in windows.items()}
    base, several = _sample(reference, seed), [*schema.numbers, *scores]
    sides = {name: comparable(base, window, several, schema.categories) for name, window in frames.items()}
    found = [
        WindowDrift(
            window=name,
            rows=len(windows[name]),
            columns=judged_columns(before, after, several, rule),
            report=folder / f"drift-{name}.html",
        )
        for name, (before, after) in sides.items()
    ]
    drifted = _in_a_row(found, rule.windows_in_a_row)
    report = DriftReport(
        digest=digest_json([window.model_dump(mode="json", exclude={"report"}) for window in found]),
        reference_rows=len(reference),
        windows=tuple(found),
        drifted=drifted,
        rule=rule_text(rule, len(several) + len(schema.categories)),
    )
    for window in found:
        _write_page(window, report, sides[window.window], several, title or contract.name)
    return report


def nothing_to_compare(why: str, rule: Monitoring) -> DriftReport:
    """Return a report of no window."""
    return DriftReport(
        digest=digest_json([why]), reference_rows=0, windows=(), drifted=(), rule=rule_text(rule, 0), nothing=why
    )


def rule_text(rule: Monitoring, columns: int) -> str:
    """Say when it is called drift."""
    return (
        f"Benjamini-Hochberg at {rule.false_alarm_rate:g} over the values and the missing values of {columns} columns, "
        f"distance of at least {rule.effect:g}, {rule.windows_in_a_row} windows in a row"
    )


def _sample(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame.sample(SAMPLE, seed=seed) if len(frame) > SAMPLE else frame


def comparable(
    reference: pl.DataFrame, window: pl.DataFrame, several: list[str], names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both with finite numbers and few categories."""
    before = [numbers(reference[name]) for name in several] + [categories(reference[n], reference[n]) for n in names]
    after = [numbers(window[name]) for name in several] + [categories(reference[n], window[n]) for n in names]
    return pl.DataFrame(before), pl.DataFrame(after)


def judged_columns(
    reference: pl.DataFrame, window: pl.DataFrame, several: Sequence[str], rule: Monitoring
) -> tuple[ColumnDrift, ...]:
    """Test every column's values, where there are enough, and its missing ones; ``several`` are numbers.

    What passes Benjamini-Hochberg and whose distance matters has moved.
    """
    found: list[tuple[str, Literal["values", "missing"], Found]] = []
    for name in reference.columns:
        sides = reference[name], window[name]
        if enough(*sides):
            found.append((name, "values", (compare_numbers if name in several else compare_categories)(*sides)))
        found.append((name, "missing", compare_missing(*sides)))
    sure = significant([one.p_value for _, _, one in found], rule.false_alarm_rate)
    return tuple(
        ColumnDrift(column=name, of=of, **one._asdict(), moved=proven and one.effect >= rule.effect)
        for (name, of, one), proven in zip(found, sure, strict=True)
    )


def _in_a_row(windows: Sequence[WindowDrift], windows_in_a_row: int) -> tuple[str, ...]:
    """Return what moved in at least so many consecutive windows (in all of them if there are fewer).

    A window in which it could not be tested neither counts nor breaks the row.
    """
    needed = min(windows_in_a_row, len(windows))
    drifted = []
    for name in dict.fromkeys(column.name for window in windows for column in window.columns):
        moved = [column.moved for window in windows for column in window.columns if column.name == name]
        longest = run = 0
        for one in moved:
            run = run + 1 if one else 0
            longest = max(longest, run)
        if longest >= min(needed, len(moved)):
            drifted.append(name)
    return tuple(drifted)


def _write_page(
    window: WindowDrift, report: DriftReport, sides: tuple[pl.DataFrame, pl.DataFrame], several: list[str], title: str
) -> None:
    """Write the page of a window: what was decided, above what Evidently draws."""
    moved = ", ".join(window.moved)
    said = [
        f"{window.rows:,} rows against {report.reference_rows:,} of the reference. "
        + (f"In this window moved: {moved}." if moved else "In this window nothing moved."),
        f"Over all windows: {report.verdict}.",
        f"Rule: {report.rule}.",
    ]
    rows = [
        (one.name, f"{one.test}, p = {one.p_value:.3g}", f"{one.distance} {one.effect:.3g}", one.moved)
        for one in window.columns
    ]
    # Evidently has one word a column: its values, or how many are missing, have moved.
    restless = {one.column for one in window.columns if one.moved}
    page = _draw(*sides, several, restless)
    head = header(title, window.window, said, rows)
    write_atomically(window.report, with_header(page, title, window.window, head).encode())


def _draw(reference: pl.DataFrame, window: pl.DataFrame, several: list[str], moved: Collection[str]) -> str:
    """Let Evidently draw what can be drawn: columns with values on both sides that are not all the same."""
    drawn = [name for name in reference.columns if _drawable(reference[name], window[name])]
    if not drawn:
        return EMPTY
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        split = [name for name in drawn if name in several], [name for name in drawn if name not in several]
        definition = DataDefinition(numerical_columns=split[0], categorical_columns=split[1])
        # It would decide by the distance alone: the threshold of each column makes its words those of the rule.
        limits = {name: ALWAYS if name in moved else NEVER for name in drawn}
        metrics = [ValueDrift(column=name, method="wasserstein", threshold=limits[name]) for name in split[0]]
        metrics += [ValueDrift(column=name, method="jensenshannon", threshold=limits[name]) for name in split[1]]
        sets = [
            Dataset.from_pandas(
                frame.select(drawn).with_columns(pl.col(split[1]).fill_null("(missing)")).to_pandas(),
                data_definition=definition,
            )
            for frame in (window, reference)
        ]
        page = Path(folder, "page.html")
        Report(metrics).run(sets[0], sets[1]).save_html(str(page))
        return page.read_text(encoding="utf-8")


def _drawable(reference: pl.Series, window: pl.Series) -> bool:
    largest = 0.0 if reference.dtype == pl.String else max(float(abs(one).max() or 0.0) for one in (reference, window))  # type: ignore[arg-type]
    # Evidently squares what it draws.
    return enough(reference, window) and reference.drop_nulls().n_unique() > 1 and largest < 1e100


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep Evidently's own warnings (a category with no expected rows divides by zero) off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("evidently").setLevel(logging.ERROR)
        yield
