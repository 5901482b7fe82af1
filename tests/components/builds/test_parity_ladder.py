"""The ladder holds for a sound build, and names the rung where a broken one changed its answers."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from components.artefacts.build import Build, open_build, seal
from components.artefacts.storage import write_json
from components.builds.live_check import bodies_within, check_live
from components.builds.parity_ladder import climb
from components.builds.stage_budget import MEANINGS, measure_stages
from tests.deployments.small_build import draw_sample, write_build

STATIONS = ["export", "compression", "packaged graph", "optimised graph", "clean process"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return open_build(write_build(draw_sample(), tmp_path_factory.mktemp("builds") / "build"))


def test_a_sound_build_holds_on_every_rung(build: Build) -> None:
    ladder = climb(build)
    assert [rung.name for rung in ladder.rungs] == STATIONS
    assert ladder.broken is None
    assert all((rung.turned, rung.rows) == ({}, 20) for rung in ladder.rungs)


def test_a_normaliser_that_differs_in_the_build_is_found_at_the_packaged_graph(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(build.path, folder)
    model = onnx.load(folder / "model.onnx")
    means = next(
        tensor
        for tensor in model.graph.initializer
        if numpy_helper.to_array(tensor).dtype == np.float64 and numpy_helper.to_array(tensor).size > 5
    )
    means.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(means) * 1.5, means.name))
    onnx.save(model, folder / "model.onnx")
    seal(folder, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    ladder = climb(open_build(folder))
    assert ladder.broken is not None
    assert ladder.broken.name == ladder.rungs[-1].name == "packaged graph"
    assert ladder.broken.largest_difference > 1e-3
    assert ladder.told().startswith("rung 'packaged graph' does not hold: golden row")


@pytest.mark.parametrize(("station", "rung"), [("trainer", "export"), ("exported", "export")])
def test_an_export_that_changed_the_answers_is_found_there(
    build: Build, tmp_path: Path, station: str, rung: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(build.path, folder)
    document = msgspec.json.decode((folder / "stations.json").read_bytes())
    document[station] = [[row[0] + 0.01] for row in document[station]]
    write_json(folder / "stations.json", document)
    seal(folder, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    ladder = climb(open_build(folder))
    assert ladder.broken is not None
    assert ladder.broken.name == rung
    assert ladder.broken.largest_difference == pytest.approx(0.01)


@pytest.mark.parametrize(("wrong", "turned"), [(0.999, "no to yes"), (float("nan"), "yes to no")])
def test_a_service_that_answers_something_else_is_found_at_the_top(build: Build, wrong: float, turned: str) -> None:
    ladder = climb(build)
    broken = ladder.stepped("live", np.full((len(ladder.top), 1), wrong)).broken
    assert broken is not None
    assert broken.name == "live"
    assert broken.turned[turned] > 0


def test_golden_rows_are_sent_together_as_far_as_a_request_may_be_large(build: Build, tmp_path: Path) -> None:
    golden = build.golden()
    most = 5 * max(len(msgspec.json.encode(row)) for row in golden.rows)
    assert most < len(msgspec.json.encode(golden.rows))
    folder = tmp_path / "narrow"
    shutil.copytree(build.path, folder)
    write_json(folder / "serving.json", msgspec.to_builtins(build.serving()) | {"max_body_bytes": most})
    seal(folder, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    _, answers = check_live(open_build(folder), golden.rows, golden.matrix(), 0.085)
    assert len(answers) == len(golden.rows)


def test_bodies_are_as_long_as_the_limits_allow_and_hold_every_row_once() -> None:
    rows = [b'{"x":1}', b'{"x":22}', b'{"x":3}']
    assert bodies_within(rows, 9, 26) == [b'[{"x":1},{"x":22},{"x":3}]']
    assert bodies_within(rows, 9, 25) == [b'[{"x":1},{"x":22}]', b'[{"x":3}]']
    assert bodies_within(rows, 1, 99) == [b'[{"x":1}]', b'[{"x":22}]', b'[{"x":3}]']
    assert bodies_within(rows, 9, 1) == [b'[{"x":1}]', b'[{"x":22}]', b'[{"x":3}]']


def test_the_stages_of_a_request_are_measured_by_the_service_itself(build: Build) -> None:
    golden = build.golden()
    live, answers = check_live(build, golden.rows, golden.matrix(), 0.085)
    assert climb(build).stepped("live", answers).broken is None
    budget = measure_stages(build, live, requests=50)
    assert [stage.name for stage in budget.stages] == list(MEANINGS)
    assert all(stage.p50_us >= 0 and stage.p95_us >= stage.p50_us for stage in budget.stages)
    # What is left of what a client sees is the HTTP server's: the stages add up to at least that.
    assert budget.sum_p95_us >= budget.seen_p95_us - 1
    assert budget.seen_requests == live.rows
