"""Whether the data of a window still looks like the reference; the only door to Evidently.

Evidently measures and draws. The alarm is a rule over what it measured, because its default verdicts raise false alarms
(docs/log.md): a column counts as moved if its test survives Benjamini-Hochberg over all columns *and* the distance is
large enough to matter; drift is a column that moved in several windows in a row.
"""

import contextlib
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from components.declaration import Monitoring
from components.errors import DataError
from components.result import Result
from components.storage import digest_json
from data_contracts.drift_schema import drift_schema
from data_contracts.spec import ContractSpec

# Tests on more rows find differences too small to matter, and the page grows with the rows.
SAMPLE = 5_000


class ColumnDrift(Result):
    """One column in one window: the test's p-value, the distance, and whether the rule says it moved."""

    column: str
    test: str
    p_value: float
    distance: str
    effect: float
    moved: bool


class WindowDrift(Result):
    """One window against the reference."""

    window: str
    rows: int
    columns: tuple[ColumnDrift, ...]
    report: Path

    @property
    def moved(self) -> tuple[str, ...]:
        return tuple(column.column for column in self.columns if column.moved)


class DriftReport(Result):
    """Every window, and the columns that moved in as many windows in a row as the workload file asks for."""

    digest: str
    reference_rows: int
    windows: tuple[WindowDrift, ...]
    drifted: tuple[str, ...]
    rule: str

    @property
    def verdict(self) -> str:
        """Say in one line what was found."""
        names = ", ".join(window.window for window in self.windows)
        if not self.drifted:
            return f"no drift in {names}"
        return f"drift in {len(self.drifted)} columns over {names}: {', '.join(self.drifted)}"


def compare_windows(
    reference: pl.DataFrame,
    windows: Mapping[str, pl.DataFrame],
    contract: ContractSpec,
    rule: Monitoring,
    folder: Path,
    seed: int,
    scores: tuple[str, ...] = (),
) -> DriftReport:
    """Compare each window, in order of time, with the reference; write one Evidently page a window to ``folder``.

    Frames hold the contract's input fields and, where scored, the columns ``scores`` of the answers.
    """
    if not windows:
        raise DataError("there is no row to monitor: the monitored period is empty")
    schema = drift_schema(contract)
    for where, frame in {"the reference": reference, **windows}.items():
        if missing := schema.missing(frame.columns):
            raise DataError(f"{where} has no column {', '.join(missing)}, which {contract.name} has: build it again")
    numbers, categories = [*schema.numbers, *scores], list(schema.categories)
    # Evidently refuses a number without any value; whether it is missing is then compared as a category instead.
    for name in [n for n in numbers if any(not frame[n].count() for frame in (reference, *windows.values()))]:
        numbers.remove(name)
        categories.append(name)
        reference, windows = _presence(reference, name), {k: _presence(w, name) for k, w in windows.items()}
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, window in windows.items():
        page = folder / f"drift-{name}.html"
        measured = _measure(_sample(reference, seed), _sample(window, seed), numbers, categories, rule, page)
        found.append(WindowDrift(window=name, rows=len(window), columns=_judge(measured, rule), report=page))
    drifted = _in_a_row([window.moved for window in found], rule.windows_in_a_row)
    return DriftReport(
        digest=digest_json([window.model_dump(mode="json", exclude={"report"}) for window in found]),
        reference_rows=len(reference),
        windows=tuple(found),
        drifted=drifted,
        rule=(
            f"Benjamini-Hochberg at {rule.false_alarm_rate:g} over {len(numbers) + len(categories)} columns, "
            f"distance of at least {rule.effect:g}, {rule.windows_in_a_row} windows in a row"
        ),
    )


def _presence(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    is_missing = pl.col(name).is_null()
    return frame.with_columns(pl.when(is_missing).then(pl.lit("missing")).otherwise(pl.lit("present")).alias(name))


def _sample(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame.sample(SAMPLE, seed=seed) if len(frame) > SAMPLE else frame


def _measure(
    reference: pl.DataFrame,
    window: pl.DataFrame,
    numbers: list[str],
    categories: list[str],
    rule: Monitoring,
    page: Path,
) -> list[dict[str, Any]]:
    """Run Evidently: for each column a test and a distance; the page shows both."""
    with _quiet():
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        plan = [(column, "ks", "wasserstein") for column in numbers]
        plan += [(column, "chisquare", "jensenshannon") for column in categories]
        metrics = []
        for column, test, distance in plan:
            metrics.append(ValueDrift(column=column, method=test, threshold=rule.false_alarm_rate))
            metrics.append(ValueDrift(column=column, method=distance, threshold=rule.effect))
        chosen = [*numbers, *categories]
        sets = [
            Dataset.from_pandas(
                frame.select(chosen).with_columns(pl.col(categories).cast(pl.String).fill_null("missing")).to_pandas(),
                data_definition=definition,
            )
            for frame in (window, reference)
        ]
        snapshot = Report(metrics).run(sets[0], sets[1])
        snapshot.save_html(str(page))
        values = [float(metric["value"]) for metric in snapshot.dict()["metrics"]]
    return [
        {"column": c, "test": t, "p_value": values[2 * i], "distance": d, "effect": values[2 * i + 1]}
        for i, (c, t, d) in enumerate(plan)
    ]


def _judge(measured: list[dict[str, Any]], rule: Monitoring) -> tuple[ColumnDrift, ...]:
    """Mark the columns that pass Benjamini-Hochberg (1995) and whose distance matters."""
    ordered = sorted(range(len(measured)), key=lambda i: float(measured[i]["p_value"]))
    significant: set[int] = set()
    for rank, index in enumerate(ordered, start=1):
        if measured[index]["p_value"] <= rule.false_alarm_rate * rank / len(ordered):
            significant.update(ordered[:rank])
    return tuple(
        ColumnDrift(**row, moved=i in significant and row["effect"] >= rule.effect) for i, row in enumerate(measured)
    )


def _in_a_row(moved: list[tuple[str, ...]], windows_in_a_row: int) -> tuple[str, ...]:
    """Return the columns that moved in at least so many consecutive windows (in all of them if there are fewer)."""
    needed = min(windows_in_a_row, len(moved))
    drifted = []
    for column in dict.fromkeys(name for names in moved for name in names):
        longest = run = 0
        for names in moved:
            run = run + 1 if column in names else 0
            longest = max(longest, run)
        if longest >= needed:
            drifted.append(column)
    return tuple(drifted)


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep Evidently's own warnings (a category with no expected rows divides by zero) off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("evidently").setLevel(logging.ERROR)
        yield
