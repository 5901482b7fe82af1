"""Several classes and numbers go down the whole slipway: built, promoted live, scored and monitored."""

import importlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from components.declaration.loading import contract_of
from components.evaluation.evidence import read_evidence
from components.promotion.roles import challenger_of, champion_of
from components.scoring.score import score_file
from components.settings import Home
from tasks.monitor import monitor
from tasks.promote import promote
from tests.conftest import REPOSITORY
from tests.tasks.staging import stage_all

GOALS = {
    "air_time": {"statement": "Sample: error at most 30 minutes, 500 ms, 900 ms, 1 USD, 0.1 USD.", "threshold": 30},
    "delay_band": {"statement": "Sample: cross-entropy at most 2, 500 ms, 900 ms, 1 USD, 0.1 USD.", "threshold": 2},
}
LIMITS = {"latency_p95_ms": 500, "latency_p99_ms": 900, "training_usd": 1, "serving_usd_per_1000": 0.1}
# A sample of this size proves little; what the gates decide is tested elsewhere.
LENIENT: dict[str, Any] = {
    "calibration_error": 0.5,
    "baseline_margin": 5,
    "slice_margin": 20,
    "slice_gap": 200,
    "floors": [],
}
OUTPUTS = {
    "air_time": ["value", "quantile_0.1", "quantile_0.9"],
    "delay_band": [*(f"probability_{band}" for band in ("early", "on_time", "late", "very_late")), "delay_band"],
}


def small(name: str, folder: Path) -> dict[str, Any]:
    """Return a workload file as plain data, on every twelfth row, with a small model and goals that it reaches."""
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "deployments" / f"{name}.yaml").read_text())
    read = importlib.import_module(f"data_contracts.{name}").read_rows
    read().collect().gather_every(12).write_parquet(folder / "rows.parquet")
    return {
        **document,
        "goal": document["goal"] | LIMITS | GOALS[name],
        "source": {"path": str(folder / "rows.parquet")},
        "model": document["model"] | {"epochs": 2, "hidden": [16], "baseline": {"n_estimators": 60}},
        "gates": document["gates"] | LENIENT,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["air_time", "delay_band"])
def test_a_label_goes_down_the_whole_slipway(name: str, tmp_path: Path) -> None:
    staged = stage_all(small(name, tmp_path), Home(tmp_path / "home"))
    workload, home, contract = staged.workload, staged.home, contract_of(staged.workload)
    assert staged.gates.passed, [verdict.line for verdict in staged.gates.refused]
    gain = read_evidence(staged.evaluated.evidence).find("gain_over_base_rate")
    assert gain is not None
    assert gain.low is not None
    assert gain.low > 0

    build = challenger_of(workload, None, home, staged.settings)
    promoted = promote.fn(workload, build, home, staged.settings, accept=("environment",))
    assert promoted.live.max_difference <= 1e-6
    assert champion_of(workload, home, staged.settings).build_id == build.build_id

    rows = pl.read_parquet(staged.prepared.splits["monitor"].path).head(300)
    rows.select(field.name for field in contract.inputs).write_parquet(tmp_path / "in.parquet")
    scored = score_file(build, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert (scored.rows, scored.refused) == (300, 0)
    written = pl.read_csv(tmp_path / "out.csv")
    assert written.columns[-len(OUTPUTS[name]) - 1 :] == [*OUTPUTS[name], "reasons"]

    monitored = monitor.fn(workload, build, staged.prepared, home)
    judged = {column.column for column in monitored.drift.windows[0].columns}
    assert set(build.serving().answer.columns) <= judged
    assert all(quality.low < quality.value < quality.high for quality in monitored.quality)
