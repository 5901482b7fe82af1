"""Each calibration does in the graph what it does in NumPy, and mends what it is there to mend."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from components.evaluation.metrics import expected_calibration_error, score
from components.kinds.tabular.calibration import (
    AsItIs,
    Calibration,
    Line,
    Temperature,
    calibrated,
    fit_temperature,
    with_calibration,
)
from components.kinds.tabular.heads.regression import RegressionHead, Shifted
from components.kinds.tabular.isotonic import CORNERS, Rising, fit_rising

ONE_CORNER = ((0.5,), (0.25,))
STEPS = ((0.1, 0.4, 0.9), (0.05, 0.3, 0.8))
CASES: list[tuple[Calibration, int]] = [
    (AsItIs(), 1),
    (Line(0.7, -0.3), 1),
    (Temperature(1.7), 4),
    (Rising((STEPS,)), 1),
    (Rising((ONE_CORNER,)), 1),
    (Rising((STEPS, STEPS, ONE_CORNER)), 3),
    (Shifted(7.0, 40.0, (1.5,)), 1),
    (Shifted(7.0, 40.0, (0.0, 2.0)), 2),
    (Shifted(7.0, 40.0, (0.0, 2.0, -1.0, -90.0)), 4),
]


def run(calibration: Calibration, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the graph answers to raw numbers."""
    columns = raw.shape[1]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", columns]) for name in ("raw", "answer")]
    graph = helper.make_graph([helper.make_node("Identity", ["raw"], ["answer"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    whole = with_calibration(model, calibration, "numbers", columns)
    onnx.checker.check_model(whole, full_check=True)
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float32] = session.run(["numbers"], {"raw": raw})[0]
    return answers


@pytest.mark.parametrize(("calibration", "columns"), CASES, ids=lambda case: type(case).__name__)
@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=40))
def test_the_graph_computes_what_numpy_computes(calibration: Calibration, columns: int, values: list[float]) -> None:
    rows = len(values) // columns
    raw = np.array([*values[: rows * columns], *[0.0, 1.0, 0.5, 0.1] * columns], np.float32).reshape(-1, columns)
    np.testing.assert_allclose(run(calibration, raw), calibrated(raw, calibration), rtol=1e-6, atol=1e-7)


def test_a_temperature_is_found_again() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (random.random(len(shares))[:, None] > shares.cumsum(axis=1)).sum(axis=1)
    sharp = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    found = fit_temperature(labels, sharp)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert score("cross_entropy", labels, found.apply(sharp)) < score("cross_entropy", labels, sharp)


def test_isotonic_mends_what_no_line_can_with_few_corners() -> None:
    random = np.random.default_rng(1)
    rates = random.random(40_000)
    labels = random.random(len(rates)) < rates
    bent = np.where(rates < 0.5, rates / 4, 0.125 + (rates - 0.5) * 1.75)[:, None]
    found = fit_rising(labels, bent)
    assert len(found.corners[0][0]) <= CORNERS
    assert expected_calibration_error(labels, bent[:, 0]) > 0.1
    assert expected_calibration_error(labels, found.apply(bent)[:, 0]) < 0.02


def test_quantiles_cover_what_they_promise_and_never_cross() -> None:
    random = np.random.default_rng(2)
    labels = (random.normal(size=20_000) * 40 + 7).astype(np.float32)
    head = RegressionHead(mean=7.0, deviation=40.0, levels=(0.1, 0.9), shift=True)
    off = np.stack([np.zeros_like(labels), np.full_like(labels, 0.5), np.full_like(labels, -0.5)], axis=1)
    answers = calibrated(off, head.calibrate(labels, off))
    assert np.mean(labels < answers[:, 1]) == pytest.approx(0.1, abs=0.01)
    assert np.mean(labels < answers[:, 2]) == pytest.approx(0.9, abs=0.01)
    assert (answers[:, 1] < answers[:, 2]).all()
