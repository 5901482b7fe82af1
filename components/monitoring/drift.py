"""Whether the data of a window still looks like the reference: every column tested, a page written.

Evidently draws and says of each column what our rule says (drift_rule.py over drift_tests.py), because its own verdicts
raise false alarms and its tests fail on columns that occur (docs/log.md).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from pydantic import Field

from components.artefacts.errors import DataError
from components.artefacts.inference import Inference
from components.artefacts.storage import digest_json, write_atomically
from components.declaration.monitoring import Monitoring
from components.monitoring.descriptions import undescribed, with_descriptions
from components.monitoring.drift_page import header, with_header
from components.monitoring.drift_rule import ColumnDrift, check_columns, comparable, in_a_row, judged_columns, rule_text
from components.monitoring.evidently_page import Told, draw
from components.result import Result
from components.store.reference import Reference
from data_contracts.description.spec import ContractSpec
from data_contracts.language.drift_schema import DriftSchema, drift_schema

# Tests on more rows find differences too small to matter, and the page grows with the rows.
SAMPLE = 5_000


class WindowDrift(Result):
    """One window against the reference."""

    window: str
    rows: int
    columns: tuple[ColumnDrift, ...] = Field(description="Values with too few on a side to be compared are left out.")
    stored_report: Reference = Field(alias="report")

    @property
    def report(self) -> Path:
        return self.stored_report.local()

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
    *,
    inference: Inference | None = None,
) -> DriftReport:
    """Compare each window, in order of time, with the reference; write one page a window to ``folder``.

    Frames hold the contract's input fields (or what was said of large ones) and, where scored, the columns ``scores``
    of the answers; ``title`` says whose windows they are. Of large values what the kind's ``inference`` says is
    compared.
    """
    if not windows:
        raise DataError("there is no row to monitor: the monitored period is empty")
    schema = drift_schema(contract)
    for where, frame in {"the reference": reference, **windows}.items():
        large = undescribed(frame, contract, inference) if inference else ()
        if missing := (*schema.missing(frame.columns), *large):
            raise DataError(f"{where} has no column {', '.join(missing)}, which {contract.name} has: build it again")
    folder.mkdir(parents=True, exist_ok=True)
    base, frames = _sample(reference, seed), {name: _sample(window, seed) for name, window in windows.items()}
    told = DriftSchema((), ())
    if inference is not None:
        base, told = with_descriptions(base, contract, inference)
        frames = {name: with_descriptions(window, contract, inference)[0] for name, window in frames.items()}
    schema = DriftSchema(
        (*schema.numbers, *told.numbers, *scores), (*schema.categories, *told.categories), told.vectors
    )
    check_columns(rule, schema.columns)
    sides = {name: comparable(base, window, schema) for name, window in frames.items()}
    found = [
        WindowDrift(
            window=name,
            rows=len(windows[name]),
            columns=judged_columns(before, after, rule),
            stored_report=folder / f"drift-{name}.html",
        )
        for name, (before, after) in sides.items()
    ]
    drifted = in_a_row([window.columns for window in found], rule.windows_in_a_row)
    report = DriftReport(
        digest=digest_json([window.model_dump(mode="json", exclude={"stored_report"}) for window in found]),
        reference_rows=len(reference),
        windows=tuple(found),
        drifted=drifted,
        rule=rule_text(rule, len(schema.columns)),
    )
    for window in found:
        _write_page(window, report, sides[window.window], title or contract.name)
    return report


def nothing_to_compare(why: str, rule: Monitoring) -> DriftReport:
    """Return a report of no window."""
    return DriftReport(
        digest=digest_json([why]), reference_rows=0, windows=(), drifted=(), rule=rule_text(rule, 0), nothing=why
    )


def _sample(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame.sample(SAMPLE, seed=seed) if len(frame) > SAMPLE else frame


def _write_page(window: WindowDrift, report: DriftReport, sides: tuple[pl.DataFrame, pl.DataFrame], title: str) -> None:
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
    page = draw(*sides, {name: _told(name, window.columns) for name in sides[0].columns})
    head = header(title, window.window, said, rows)
    write_atomically(window.report, with_header(page, title, window.window, head).encode())


def _told(column: str, found: Sequence[ColumnDrift]) -> Told:
    """Return what a column's charts are headed by: its values, or its missing ones where only these have moved."""
    tested = sorted(
        (one for one in found if one.column == column), key=lambda one: (not one.moved, one.of == "missing")
    )
    named = f"{tested[0].test}, {tested[0].distance}" + (" of the missing values" if tested[0].of == "missing" else "")
    return Told(named, tested[0].effect, tested[0].moved)
