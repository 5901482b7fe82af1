"""The charts of a window's page, drawn by Evidently, which says of each column what our rule says and by which test."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from components.monitoring.columns import enough

EMPTY = "<!doctype html><html><head></head><body><p>No column has enough values to be drawn.</p></body></html>"


class Told(NamedTuple):
    """What a column's charts are headed by: the test, its distance, and whether the rule says that it moved."""

    test: str
    distance: float
    moved: bool


def draw(reference: pl.DataFrame, window: pl.DataFrame, told: Mapping[str, Told]) -> str:
    """Draw what can be drawn: numbers and categories with values on both sides that are not all the same."""
    drawn = [name for name in reference.columns if _drawable(reference[name], window[name])]
    if not drawn:
        return EMPTY
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        split = tuple(
            [name for name in drawn if (reference[name].dtype == pl.String) == texts] for texts in (False, True)
        )
        definition = DataDefinition(numerical_columns=split[0], categorical_columns=split[1])
        sets = [
            Dataset.from_pandas(
                frame.select(drawn).with_columns(pl.col(split[1]).fill_null("(missing)")).to_pandas(),
                data_definition=definition,
            )
            for frame in (window, reference)
        ]
        with _known_to_evidently({name: told[name] for name in drawn}) as methods:
            metrics = [ValueDrift(column=name, method=method) for name, method in methods.items()]
            page = Path(folder, "page.html")
            Report(metrics).run(sets[0], sets[1]).save_html(str(page))
        return page.read_text(encoding="utf-8")


@contextlib.contextmanager
def _known_to_evidently(told: Mapping[str, Told]) -> Iterator[dict[str, str]]:
    """Register for each column a test with Evidently that answers what was found; yield their names by column."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest, registry
    from evidently.legacy.core import ColumnType

    types, methods = [ColumnType.Numerical, ColumnType.Categorical], {}
    for column, found in told.items():
        methods[column] = f"slipway: {column}"
        test = StatTest(name=methods[column], display_name=found.test, allowed_feature_types=types)
        register_stattest(test, lambda *_, answer=(found.distance, found.moved): answer)
    try:
        yield methods
    finally:
        for method in methods.values():
            registry._registered_stat_tests.pop(method, None)


def _drawable(reference: pl.Series, window: pl.Series) -> bool:
    if isinstance(reference.dtype, pl.Array):
        return False
    largest = 0.0 if reference.dtype == pl.String else max(float(abs(one).max() or 0.0) for one in (reference, window))  # type: ignore[arg-type]
    # Evidently squares what it draws.
    return enough(reference, window) and reference.drop_nulls().n_unique() > 1 and largest < 1e100


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Evidently's own warnings (a category with no expected rows divides by zero) off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("evidently").setLevel(logging.ERROR)
        yield
