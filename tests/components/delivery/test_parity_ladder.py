"""The ladder holds for a sound build, and names the rung where a broken one changed its answers."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from components.delivery.build import Build, open_build, seal
from components.delivery.parity_ladder import climb
from tests.deployments.small_build import draw_sample, write_build

STATIONS = ["graph", "optimised graph", "clean process"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return open_build(write_build(draw_sample(), tmp_path_factory.mktemp("builds") / "build"))


def test_a_sound_build_holds_on_every_rung(build: Build) -> None:
    ladder = climb(build)
    assert [rung.name for rung in ladder.rungs] == STATIONS
    assert ladder.broken is None
    assert all((rung.turned, rung.rows) == ({}, 20) for rung in ladder.rungs)


def test_a_normaliser_that_differs_in_the_build_is_found_at_the_graph(build: Build, tmp_path: Path) -> None:
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
    broken = climb(open_build(folder)).broken
    assert broken is not None
    assert broken.name == "graph"
    assert broken.largest_difference > 1e-3


@pytest.mark.parametrize(("wrong", "turned"), [(0.999, "no to yes"), (float("nan"), "yes to no")])
def test_a_service_that_answers_something_else_is_found_at_the_top(build: Build, wrong: float, turned: str) -> None:
    def live(rows: Sequence[dict[str, Any]]) -> list[list[float]]:
        return [[wrong]] * len(rows)

    broken = climb(build, live).broken
    assert broken is not None
    assert broken.name == "live"
    assert broken.turned[turned] > 0
