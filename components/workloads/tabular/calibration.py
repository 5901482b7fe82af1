"""Make probabilities mean what they say: a line through the logits, fitted on the validation split, put into the graph.

Platt (1999); Guo et al., On Calibration of Modern Neural Networks (ICML 2017) for the one-parameter form.
"""

from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.optimize import minimize

# A float32 cannot be closer to 1 than about this.
TINY = 1e-7
Method = Literal["none", "temperature", "platt"]


def fit_line(labels: NDArray[Any], answers: NDArray[np.float32], method: Method) -> tuple[float, float]:
    """Return slope and offset of the logits with the lowest log-loss; (1, 0) changes nothing."""
    if method == "none":
        return 1.0, 0.0
    logits, truth = _logits(answers.astype(np.float64)), labels.astype(np.float64)

    def loss(line: NDArray[np.float64]) -> float:
        moved = line[0] * logits + (line[1] if len(line) > 1 else 0.0)
        return float(np.mean(np.logaddexp(0, moved) - truth * moved))

    start = np.array([1.0] if method == "temperature" else [1.0, 0.0])
    # A slope above zero keeps the order of answers, and with it the AUC.
    bounds = [(0.05, 20.0), (-10.0, 10.0)][: len(start)]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return float(np.float32(found[0])), float(np.float32(found[1])) if len(found) > 1 else 0.0


def _logits(answers: NDArray[Any]) -> NDArray[Any]:
    kept = np.clip(answers, TINY, 1 - TINY)
    logits: NDArray[Any] = np.log(kept) - np.log1p(-kept)
    return logits


def calibrated(answers: NDArray[np.float32], line: tuple[float, float]) -> NDArray[np.float32]:
    """Return answers moved along the line."""
    if line == (1.0, 0.0):
        return answers
    moved = line[0] * _logits(answers.astype(np.float64)) + line[1]
    return (1 / (1 + np.exp(-moved))).astype(np.float32)


def with_calibration(model: onnx.ModelProto, line: tuple[float, float]) -> onnx.ModelProto:
    """Put the line between a graph's answer and its output ``probability``; in double, as ``calibrated`` computes."""
    if line == (1.0, 0.0):
        return model
    graph = onnx.ModelProto()
    graph.CopyFrom(model)
    last = graph.graph.node[-1]
    assert list(last.output) == ["probability"], "the last node names the answer"
    last.output[0] = "uncalibrated"
    for name, value in (("low", TINY), ("high", 1 - TINY), ("one", 1.0), ("slope", line[0]), ("offset", line[1])):
        graph.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float64), f"line_{name}"))
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Cast", ["uncalibrated"], "wide", {"to": onnx.TensorProto.DOUBLE}),
        ("Clip", ["wide", "line_low", "line_high"], "kept", {}),
        ("Sub", ["line_one", "kept"], "other", {}),
        ("Div", ["kept", "other"], "odds", {}),
        ("Log", ["odds"], "logit", {}),
        ("Mul", ["logit", "line_slope"], "turned", {}),
        ("Add", ["turned", "line_offset"], "moved", {}),
        ("Sigmoid", ["moved"], "answer_wide", {}),
        ("Cast", ["answer_wide"], "probability", {"to": onnx.TensorProto.FLOAT}),
    ]
    for operator, inputs, output, attributes in steps:
        graph.graph.node.append(helper.make_node(operator, inputs, [output], **attributes))
    return graph
