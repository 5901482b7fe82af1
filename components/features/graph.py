"""A small builder of ONNX graphs from raw contract fields.

Inputs are one-dimensional: strings as ``tensor(string)`` with "" for missing, everything else as ``tensor(double)``
with NaN for missing; dates and times are seconds since 1970-01-01 in the contract's own (zone-less) time.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from data_contracts.description.spec import FieldSpec

OPSET = 20
ML_OPSET = 3
IR_VERSION = 10
# Operators that ONNX Runtime has beyond the standard: a graph that holds one runs nowhere else.
CONTRIBUTED = "com.microsoft"


def operator_sets(domains: Collection[str]) -> list[onnx.OperatorSetIdProto]:
    """Return the operator sets of a graph whose nodes are of these domains; the standard ones are always there."""
    extra = {CONTRIBUTED: 1} if CONTRIBUTED in domains else {}
    versions = {"": OPSET, "ai.onnx.ml": ML_OPSET, **extra}
    return [helper.make_opsetid(domain, version) for domain, version in versions.items()]


class GraphBuilder:
    """Collects nodes, constants and the raw inputs they need; names are made unique, also among those of fields."""

    def __init__(self, fields: Sequence[FieldSpec]) -> None:
        self._fields = {field.name: field for field in fields}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known_constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._count = 0

    def is_text(self, name: str) -> bool:
        """Tell whether a raw field is a string."""
        return self._fields[name].dtype == "string"

    def input(self, name: str) -> str:
        """Return the tensor of a raw contract field, shape [rows]."""
        if name not in self._inputs:
            dtype = TensorProto.STRING if self._fields[name].dtype == "string" else TensorProto.DOUBLE
            self._inputs[name] = helper.make_tensor_value_info(name, dtype, ["rows"])
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Return the tensor of a constant; equal constants are stored once."""
        # The bytes of an array of strings are addresses.
        key = (
            value.dtype.str,
            value.shape,
            repr(value.tolist()).encode() if value.dtype == object else value.tobytes(),
        )
        if key not in self._known_constants:
            name = self._free("constant", len(self._constants))
            self._constants.append(numpy_helper.from_array(value, name))
            self._known_constants[key] = name
        return self._known_constants[key]

    def number(self, value: float) -> str:
        """Return a scalar double constant."""
        return self.constant(np.array(value, dtype=np.float64))

    def add(self, op: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output and return its tensor."""
        self._count += 1
        output = self._free(op.lower(), self._count)
        self._nodes.append(helper.make_node(op, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def _free(self, word: str, number: int) -> str:
        name = f"{word}.{number}"
        while name in self._fields:
            name += "."
        return name

    def finite(self, field: str, fill: float = 0.0) -> tuple[str, str]:
        """Return a numeric input with ``fill`` for missing (NaN, infinite), and a bool tensor of what was missing."""
        value = self.input(field)
        # x - x is 0 where x is a finite number and NaN elsewhere: one operation fewer than to ask for both.
        missing = self.add("IsNaN", [self.add("Sub", [value, value])])
        return self.add("Where", [missing, self.number(fill), value]), missing

    def stack(self, columns: Sequence[str], dtype: int) -> str:
        """Cast columns of shape [rows] and put them side by side: [rows, columns]."""
        axis = self.constant(np.array([1], dtype=np.int64))
        sides = [self.add("Unsqueeze", [self.add("Cast", [column], to=dtype), axis]) for column in columns]
        return self.add("Concat", sides, axis=1)

    def build(self, outputs: dict[str, tuple[str, int, int]], name: str) -> onnx.ModelProto:
        """Return the checked model; ``outputs`` maps a name to its tensor, dtype and number of columns."""
        nodes = [*self._nodes]
        infos = []
        for output, (tensor, dtype, columns) in outputs.items():
            nodes.append(helper.make_node("Identity", [tensor], [output], name=f"output_{output}"))
            infos.append(helper.make_tensor_value_info(output, dtype, ["rows", columns]))
        graph = helper.make_graph(nodes, name, list(self._inputs.values()), infos, self._constants)
        model = helper.make_model(
            graph,
            opset_imports=operator_sets({node.domain for node in nodes}),
            ir_version=IR_VERSION,
            producer_name="slipway",
        )
        onnx.checker.check_model(model)
        return model
