"""Drift: quiet data raises no alarm, moved data does, and the rule is the one that is written down."""

import re
from pathlib import Path

import polars as pl
import pytest

from components.artefacts.errors import DataError
from components.declaration.monitoring import Monitoring
from components.monitoring.drift import compare_windows
from data_contracts.flights import Flight

CONTRACT = Flight.spec()


def halves(frame: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    middle = len(shuffled) // 2
    return shuffled[:middle], shuffled[middle:]


def test_rows_of_one_distribution_raise_no_alarm_and_a_moved_column_does(
    flights_frame: pl.DataFrame, tmp_path: Path
) -> None:
    reference, rest = halves(flights_frame, seed=1)
    first, second = halves(rest, seed=2)
    quiet = compare_windows(reference, {"a": first, "b": second}, CONTRACT, Monitoring(), tmp_path, seed=0)
    assert quiet.drifted == ()
    assert quiet.verdict == "no drift in a, b"
    moved = {
        name: frame.with_columns(pl.col("temperature") + 10, carrier=pl.lit("ZZ"))
        for name, frame in {"a": first, "b": second}.items()
    }
    loud = compare_windows(reference, moved, CONTRACT, Monitoring(), tmp_path, seed=0)
    assert set(loud.drifted) == {"temperature", "carrier"}
    assert "drift in carrier, temperature" in loud.verdict or "drift in temperature, carrier" in loud.verdict
    assert "<html" in (tmp_path / "drift-a.html").read_text()[:500].lower()


def test_a_column_must_move_in_as_many_windows_in_a_row_as_asked(flights_frame: pl.DataFrame, tmp_path: Path) -> None:
    reference, rest = halves(flights_frame, seed=1)
    first, second = halves(rest, seed=2)
    windows = {"a": first.with_columns(pl.col("temperature") + 10), "b": second}
    two = compare_windows(reference, windows, CONTRACT, Monitoring(windows_in_a_row=2), tmp_path, seed=0)
    assert two.windows[0].moved == ("temperature",)
    assert two.drifted == ()
    one = compare_windows(reference, windows, CONTRACT, Monitoring(windows_in_a_row=1), tmp_path, seed=0)
    assert one.drifted == ("temperature",)


def test_a_column_that_has_lost_every_value_is_drift_and_not_a_crash(
    flights_frame: pl.DataFrame, tmp_path: Path
) -> None:
    reference, rest = halves(flights_frame, seed=1)
    empty = rest.with_columns(pl.lit(None, dtype=pl.Float64).alias("temperature"))
    report = compare_windows(reference, {"a": empty}, CONTRACT, Monitoring(windows_in_a_row=1), tmp_path, seed=0)
    assert report.drifted == ("temperature (missing)",)


def test_the_page_says_what_the_rule_says_and_whose_it_is(flights_frame: pl.DataFrame, tmp_path: Path) -> None:
    """One column is far off and rests on few rows: the distance alone would call it drift."""
    reference, rest = halves(flights_frame.head(2_000), seed=1)
    window = rest.head(30).with_columns(pl.col("visibility") + 10)
    report = compare_windows(
        reference, {"2020-01": window}, CONTRACT, Monitoring(windows_in_a_row=1), tmp_path, seed=0, title="flights <b>"
    )
    page = (tmp_path / "drift-2020-01.html").read_text()
    calm_and_far = [one for one in report.windows[0].columns if one.effect >= 0.1 and not one.moved]
    assert calm_and_far
    assert "visibility" in report.windows[0].moved
    told = dict(re.findall(r"Drift in column '(\w+)'[^{}]*?Data drift (not detected|detected)", page))
    columns = {one.column for one in report.windows[0].columns}
    moved = {one.column for one in report.windows[0].columns if one.moved}
    assert set(told) <= columns
    assert {name for name, word in told.items() if word == "detected"} == moved & set(told)
    assert {one.column for one in calm_and_far} & set(told)
    assert "<title>flights &lt;b&gt;: drift, 2020-01</title>" in page
    head = page[page.index("<body>") :][:6_000]
    assert "<h1>flights &lt;b&gt;: window 2020-01</h1>" in head
    assert f"Over all windows: {report.verdict}." in head
    assert f"Rule: {report.rule}." in head


def test_no_windows_is_an_error_and_not_a_quiet_verdict(flights_frame: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row to monitor"):
        compare_windows(flights_frame, {}, CONTRACT, Monitoring(), tmp_path, seed=0)
