"""Graphs with narrower numbers: int8 by ONNX Runtime's quantiser, fp16 by its converter; the recipe stays as it is.

Only nodes of the model are touched (their names begin with ``model/``): features and calibration keep their precision,
because a rounded feature takes another branch and a rounded logit another probability.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from components.artefacts.errors import SlipwayError
from components.artefacts.storage import write_atomically
from components.training.onnx_export import finished

MODEL = "model/"
PRODUCTS = frozenset({"Gemm", "MatMul"})
NARROWED = PRODUCTS | {"Add", "Mul", "Relu", "Gelu", "Tanh"}

Feeds = Mapping[str, NDArray[Any]]


class NotPossibleError(SlipwayError):
    """This graph has no such variant; the message says why."""


def int8_dynamic(model: Path, target: Path) -> Path:
    """Write the graph with int8 weights, its activations scaled call by call."""
    source = _named(onnx.load(model))
    with _quiet():
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["Gemm", "MatMul"],
            nodes_to_exclude=_others(source),
            weight_type=QuantType.QInt8,
        )
    return target


def int8_static(model: Path, target: Path, batches: Iterable[Feeds]) -> Path:
    """Write the graph with int8 weights and activations, scaled by what they are on the batches."""
    source = _named(onnx.load(model))
    with _quiet():
        quantize_static(
            source,
            target,
            _Batches(batches),
            op_types_to_quantize=["Gemm", "MatMul"],
            nodes_to_exclude=_others(source),
            quant_format=QuantFormat.QOperator,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return target


def half(model: Path, target: Path) -> Path:
    """Write the graph with the model's products and what stands between them in fp16."""
    source = _named(onnx.load(model))
    _others(source)
    write_atomically(target, finished(_narrowed(source)))
    return target


def _narrowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Compute the model's float32 steps in fp16; casts stand wherever another step hands over or takes over.

    The runtime's own converter rounds the features, too, and leaves its casts unsorted behind the recipe.
    """
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    weights = {t.name: t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT}
    inside = {
        node.name
        for node in model.graph.node
        if node.op_type in NARROWED and node.name.startswith(MODEL) and types.get(node.output[0]) == TensorProto.FLOAT
    }
    narrow = {out for node in model.graph.node if node.name in inside for out in node.output}
    used_outside = {name for node in model.graph.node if node.name not in inside for name in node.input}
    nodes: list[onnx.NodeProto] = []
    made: set[str] = set()
    for node in model.graph.node:
        if node.name not in inside:
            nodes.append(node)
            continue
        for name in node.input:
            if name not in narrow and f"{name}/half" not in made:
                made.add(f"{name}/half")
                if name in weights:
                    values = numpy_helper.to_array(weights[name]).astype(np.float16)
                    model.graph.initializer.append(numpy_helper.from_array(values, f"{name}/half"))
                else:
                    nodes.append(
                        helper.make_node("Cast", [name], [f"{name}/half"], f"{name}/half", to=TensorProto.FLOAT16)
                    )
        moved = onnx.NodeProto()
        moved.CopyFrom(node)
        moved.input[:] = [f"{name}/half" for name in node.input]
        moved.output[:] = [f"{name}/half" for name in node.output]
        nodes.append(moved)
        nodes.extend(
            helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/single", to=TensorProto.FLOAT)
            for name in sorted(used_outside.intersection(node.output))
        )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    still = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in still]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # it ships no types
    """Hands out batches one by one, as the quantiser wants them."""

    def __init__(self, batches: Iterable[Feeds]) -> None:
        self._left = iter(batches)

    def get_next(self) -> Any:
        return next(self._left, None)


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with a name for every node (after what it makes) and each operator set once."""
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for node in named.graph.node:
        node.name = node.name or f"{node.output[0]}/{node.op_type}"
    versions = {entry.domain: entry.version for entry in model.opset_import}
    del named.opset_import[:]
    named.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    return named


def _others(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that are none of the model's products; NotPossibleError if all are none."""
    weights = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    others = [
        node.name
        for node in model.graph.node
        if not (node.op_type in PRODUCTS and node.name.startswith(MODEL) and weights.intersection(node.input))
    ]
    if len(others) == len(model.graph.node):
        raise NotPossibleError("the model has no matrix products: nothing that narrower numbers would make faster")
    return others


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice off the terminal: it goes through the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
