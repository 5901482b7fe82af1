"""Make answers mean what they say: fitted on the validation split, put into the graph behind the model.

A calibration takes a model's raw numbers [rows, columns] to the answer's, as NumPy and as ONNX nodes, in double.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.optimize import minimize

# A float32 cannot be closer to 1 than about this.
TINY = 1e-7
# What is believed before any row is seen: a slope's logarithm is 0, give or take this, an offset 0, give or take 1.
# A few dozen rows that are all right would ask for answers without any doubt; a few thousand decide for themselves.
DOUBT = 0.5
Numbers = NDArray[np.float64]


class Nodes:
    """Collects nodes and constants behind a graph's output; everything is double."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """Return the name of a constant."""
        name = f"calibration_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output and return its tensor."""
        output = f"calibrated_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def sort(self, columns: str, count: int) -> str:
        """Return the numbers of each row in rising order."""
        values = f"calibrated_{len(self.nodes)}"
        outputs = [values, f"{values}_places"]
        inputs = [columns, self.constant([count], np.int64)]
        self.nodes.append(helper.make_node("TopK", inputs, outputs, axis=1, largest=0, sorted=1))
        return values


class Calibration(Protocol):
    """A fitted calibration."""

    def apply(self, raw: Numbers) -> Numbers:
        """Return the answer's numbers."""

    def add_to(self, nodes: Nodes, raw: str) -> str:
        """Add what computes them from a double tensor, and return its name."""


@dataclass(frozen=True)
class AsItIs:
    """Nothing to mend."""

    def apply(self, raw: Numbers) -> Numbers:
        return raw

    def add_to(self, nodes: Nodes, raw: str) -> str:
        return raw


@dataclass(frozen=True)
class Line:
    """A line through the logits of one probability (Platt 1999)."""

    slope: float
    offset: float

    def apply(self, raw: Numbers) -> Numbers:
        moved: Numbers = 1 / (1 + np.exp(-(self.slope * _logits(raw) + self.offset)))
        return moved

    def add_to(self, nodes: Nodes, raw: str) -> str:
        kept = nodes.add("Clip", raw, nodes.constant(TINY), nodes.constant(1 - TINY))
        odds = nodes.add("Div", kept, nodes.add("Sub", nodes.constant(1.0), kept))
        turned = nodes.add("Mul", nodes.add("Log", odds), nodes.constant(self.slope))
        return nodes.add("Sigmoid", nodes.add("Add", turned, nodes.constant(self.offset)))


@dataclass(frozen=True)
class Temperature:
    """One slope for the logits of all classes (Guo et al., On Calibration of Modern Neural Networks, ICML 2017)."""

    slope: float

    def apply(self, raw: Numbers) -> Numbers:
        powers = self.slope * np.log(np.maximum(raw, TINY))
        powers = np.exp(powers - powers.max(axis=1, keepdims=True))
        softened: Numbers = powers / powers.sum(axis=1, keepdims=True)
        return softened

    def add_to(self, nodes: Nodes, raw: str) -> str:
        logs = nodes.add("Log", nodes.add("Max", raw, nodes.constant(TINY)))
        return nodes.add("Softmax", nodes.add("Mul", logs, nodes.constant(self.slope)), axis=1)


def fit_line(labels: NDArray[Any], raw: Numbers, *, offset: bool) -> Line:
    """Return the line with the lowest log-loss; without an offset it is the temperature of a single logit."""
    logits, truth = _logits(raw[:, 0]), labels.astype(np.float64)

    def loss(line: Numbers) -> float:
        shift = float(line[1]) if offset else 0.0
        moved = line[0] * logits + shift
        believed = _unlikely(float(line[0])) + shift**2 / 2
        return float(np.mean(np.logaddexp(0, moved) - truth * moved) + believed / len(truth))

    # A slope above zero keeps the order of answers, and with it the AUC.
    found = _minimum(loss, [1.0, 0.0][: 1 + offset], [(0.05, 20.0), (-10.0, 10.0)][: 1 + offset])
    return Line(found[0], found[1] if offset else 0.0)


def fit_temperature(labels: NDArray[Any], raw: Numbers) -> Temperature:
    """Return the slope with the lowest cross-entropy."""
    rows, truth = np.arange(len(labels)), labels.astype(np.int64)

    def loss(slope: Numbers) -> float:
        right = Temperature(float(slope[0])).apply(raw)[rows, truth]
        return float(-np.mean(np.log(np.maximum(right, TINY))) + _unlikely(float(slope[0])) / len(truth))

    return Temperature(_minimum(loss, [1.0], [(0.05, 20.0)])[0])


def calibrated(raw: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
    """Return the answers [rows, columns] that the graph gives for raw numbers."""
    if calibration == AsItIs():
        return raw
    answers: NDArray[np.float32] = calibration.apply(raw.astype(np.float64)).astype(np.float32)
    return answers


def with_calibration(model: onnx.ModelProto, calibration: Calibration, output: str, columns: int) -> onnx.ModelProto:
    """Put a calibration behind a graph's only output, and call what comes out ``output``, float32 [rows, columns]."""
    graph = onnx.ModelProto()
    graph.CopyFrom(model)
    (raw,) = (tensor.name for tensor in graph.graph.output)
    nodes, answer = Nodes(), raw
    if calibration != AsItIs():
        wide = nodes.add("Cast", raw, to=onnx.TensorProto.DOUBLE)
        answer = nodes.add("Cast", calibration.add_to(nodes, wide), to=onnx.TensorProto.FLOAT)
    graph.graph.node.extend([*nodes.nodes, helper.make_node("Identity", [answer], [output])])
    graph.graph.initializer.extend(nodes.constants)
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["rows", columns]))
    return graph


def _unlikely(slope: float) -> float:
    """Return the negative logarithm of how likely a slope is before any row is seen."""
    return math.log(slope) ** 2 / (2 * DOUBT**2)


def _logits(answers: Numbers) -> Numbers:
    kept = np.clip(answers, TINY, 1 - TINY)
    logits: Numbers = np.log(kept) - np.log1p(-kept)
    return logits


def _minimum(loss: Any, start: Sequence[float], bounds: Sequence[tuple[float, float]]) -> list[float]:
    found = minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds).x
    # What stands in the recipe of a graph is rounded, so that a last bit of the search does not change a digest.
    return [float(np.float32(value)) for value in found]
