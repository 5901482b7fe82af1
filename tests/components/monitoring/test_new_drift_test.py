"""A drift test is one function and one line, chosen by name; a user's own is found beside the workload file."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from components.artefacts.errors import WorkloadError
from components.declaration.loading import find_workload, read_workload
from components.declaration.monitoring import Monitoring
from components.monitoring import drift_tests
from components.monitoring.drift import DriftReport, compare_windows
from components.monitoring.drift_tests import check_declared, drift_test
from components.user_modules import find_modules_beside
from data_contracts.contract import Contract, column

ENERGY = """
import polars as pl
import scipy


def energy(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    found = scipy.stats.cramervonmises_2samp(reference.to_numpy(), window.to_numpy())
    return found.pvalue, scipy.stats.energy_distance(reference.to_numpy(), window.to_numpy())


def broken(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
    return reference.len() / 0, 0.0


def odd(reference: pl.Series, window: pl.Series) -> float:
    return 2.0
"""


class Reading(Contract):
    """One reading of a sensor."""

    level: float = column("How high")
    depth: float = column("How deep")
    place: str = column("Where")
    wet: bool = column("Whether it rained", roles=("label",), available="after")


def readings(level: float = 0.0) -> pl.DataFrame:
    random = np.random.default_rng(5)
    size = {"level": random.normal(level, 1, 400), "depth": random.normal(0, 1, 400)}
    return pl.DataFrame({**size, "place": random.choice(["Oslo", "Voss"], 400)})


def compared(rule: Monitoring, folder: Path) -> DriftReport:
    return compare_windows(readings(), {"a": readings(level=2)}, Reading.spec(), rule, folder, seed=0)


@pytest.fixture
def declared(document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return how to read the monitoring of a workload file beside which lies the user's energy_test.py."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "energy_test", raising=False)
    (tmp_path / "energy_test.py").write_text(ENERGY)

    def read(**tests: str) -> Monitoring:
        file = tmp_path / "readings.yaml"
        file.write_text(yaml.safe_dump(document | {"monitoring": {"tests": tests, "windows_in_a_row": 1}}))
        find_modules_beside(str(file), find_workload(str(file)))
        return read_workload(str(file)).monitoring

    return read


def test_a_function_beside_the_workload_file_compares_the_field_that_names_it(declared: Any, tmp_path: Path) -> None:
    report = compared(declared(level="energy_test:energy"), tmp_path)
    used = {one.column: (one.test, one.distance) for one in report.windows[0].columns if one.of == "values"}
    assert used == {
        "level": ("energy", "distance"),
        "depth": ("ks", "wasserstein"),
        "place": ("chi-square", "jensen-shannon"),
    }
    assert report.drifted == ("level",)
    # The record, our table and Evidently's charts tell its name.
    assert report.windows[0].columns[0].model_dump(mode="json")["test"] == "energy"
    page = (tmp_path / "drift-a.html").read_text()
    assert "<td>energy, p = " in page
    assert "Data drift detected. Drift detection method: energy, distance. Drift score: " in page
    assert "Data drift not detected. Drift detection method: ks, wasserstein. Drift score: " in page


def test_all_numbers_are_compared_by_the_test_that_is_named_for_them(declared: Any, tmp_path: Path) -> None:
    report = compared(declared(numbers="psi", depth="ks"), tmp_path)
    assert {one.column: one.test for one in report.windows[0].columns if one.of == "values"} == {
        "level": "psi",
        "depth": "ks",
        "place": "chi-square",
    }
    assert report.drifted == ("level",)


def test_a_test_of_one_function_and_one_line_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_tests, "TESTS", dict(drift_tests.TESTS))

    @drift_test("means", of="numbers", distance="difference")
    def means(reference: pl.Series, window: pl.Series) -> tuple[float, float]:
        return 0.001, abs(float(window.mean()) - float(reference.mean()))  # type: ignore[arg-type]

    report = compared(Monitoring(tests={"level": "means"}, windows_in_a_row=1), tmp_path)
    (level,) = [one for one in report.windows[0].columns if (one.column, one.of) == ("level", "values")]
    assert (level.test, level.distance, round(level.effect, 3)) == ("means", "difference", 2.0)
    with pytest.raises(ValueError, match="two drift tests 'means'"):
        drift_test("means", of="numbers", distance="difference")(means.compare)


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        (
            {"level": "anova"},
            "'monitoring.tests.level': unknown test 'anova'; known: ks, psi, or module:",
        ),
        ({"place": "ks"}, "'monitoring.tests.place': ks compares numbers, and this is of categories"),
        ({"level": "nowhere_there:f"}, "'monitoring.tests.level': nowhere_there:f: module 'nowhere_there' cannot be"),
        (
            {"level": "energy_test:f"},
            "'monitoring.tests.level': energy_test:f: module 'energy_test' has no function 'f'",
        ),
    ],
)
def test_a_test_that_there_is_not_is_refused_before_anything_runs(
    declared: Any, tests: dict[str, str], told: str
) -> None:
    with pytest.raises(WorkloadError) as refusal:
        check_declared(declared(**tests), Reading.spec())
    assert str(refusal.value).startswith(told)


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ({"level": "energy_test:broken"}, "'monitoring.tests': broken failed on 'level': ZeroDivisionError: "),
        ({"level": "energy_test:odd"}, "'monitoring.tests': odd returned 2.0 for 'level'; a test returns a p-value"),
        ({"levle": "ks"}, "'monitoring.tests.levle': no such column is compared; columns: level, depth, place"),
    ],
)
def test_a_test_that_fails_is_told_in_one_line(declared: Any, tests: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as refusal:
        compared(declared(**tests), tmp_path)
    assert str(refusal.value).startswith(told)
    assert "\n" not in str(refusal.value)
