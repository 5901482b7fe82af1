"""Faults of an export: planted into a copy of the packaged graph, to be caught by the parity gate."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper

from components.artefacts.answer_shape import differences
from components.evaluation.evidence import Evidence, Measure
from components.faults.bench import Bench, Fault, Seen, judged
from components.features.category import FIRST

ROWS = 5_000
Spoil = Callable[[onnx.ModelProto], bool]


def _spoilt(name: str, spoil: Spoil) -> Fault:
    """Return the fault that the graph is spoilt: it answers the hold-out, its parity with the trainer is judged."""

    def run(bench: Bench, planted: bool) -> Seen:
        model = onnx.load(bench.trained.best.model)
        if planted:
            spoil(model)
        path = bench.scratch / "spoilt.onnx"
        onnx.save(model, path)
        rows = bench.scratch / "rows.parquet"
        bench.hold_out.rows.head(ROWS).write_parquet(rows)
        answers = bench.shape.point(bench.predict_file(bench.trained.best.parts.with_model(path), bench.contract, rows))
        apart = differences(answers, bench.hold_out.trainer[:ROWS]).max() / bench.hold_out.scale
        worst = min(float(apart), 1e9)
        measure = Measure(name="parity", value=worst, n=len(answers), source="planted")
        evidence = Evidence(workload=bench.workload.name, model="spoilt", split="test", measures=(measure,))
        return judged(bench, evidence)

    # Not every graph has a place for it: one of pictures has no categories.
    return Fault(name, "package", "parity", run, lambda bench: spoil(onnx.load(bench.trained.best.model)))


def wrong_normaliser(model: onnx.ModelProto) -> bool:
    """Scale every column of numbers by another deviation than it was trained with."""
    found = False
    for tensor in _constants_of(model, "Div"):
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float64 and (values > 0).all():
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(values * 1.2), tensor.name))
            found = True
    return found


def unknown_category(model: onnx.ModelProto) -> bool:
    """Answer a category that training did not know as if it were the most frequent one."""
    found = False
    for node in _nodes(model, "LabelEncoder"):
        for attribute in node.attribute:
            if attribute.name == "default_int64":
                attribute.i = FIRST
                found = True
    return found


def shifted_codes(model: onnx.ModelProto) -> bool:
    """Number the categories in another order than training did."""
    found = False
    for node in _nodes(model, "LabelEncoder"):
        for attribute in node.attribute:
            if attribute.name == "values_int64s" and len(attribute.ints) > 3:
                attribute.ints[2], attribute.ints[3] = attribute.ints[3], attribute.ints[2]
                found = True
    return found


def int8_overflow(model: onnx.ModelProto) -> bool:
    """Round weights to eight bits with a scale that is too small, so that large ones wrap around."""
    found = False
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype == np.float32 and weights.size > 16:
            tensor.CopyFrom(numpy_helper.from_array(_wrapped(weights), tensor.name))
            found = True
    for node in _nodes(model, "TreeEnsembleRegressor", "TreeEnsembleClassifier"):
        for attribute in node.attribute:
            if attribute.name in ("target_weights", "class_weights"):
                attribute.floats[:] = _wrapped(np.array(attribute.floats, dtype=np.float32)).tolist()
                found = True
    return found


def swapped_columns(model: onnx.ModelProto) -> bool:
    """Hand two columns to the model in each other's place."""
    joins = [node for node in _nodes(model, "Concat") if len(node.input) > 1]
    if not joins:
        return False
    widest = max(joins, key=lambda node: len(node.input))
    widest.input[0], widest.input[1] = widest.input[1], widest.input[0]
    return True


def _wrapped(
    weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    scale = max(float(np.abs(weights).max()), 1e-9) / 160
    whole = np.round(weights / scale).astype(np.int32)
    return ((whole + 128) % 256 - 128).astype(np.float32) * np.float32(scale)


def _nodes(model: onnx.ModelProto, *operators: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in operators]


def _constants_of(model: onnx.ModelProto, operator: str) -> list[onnx.TensorProto]:
    used = {name for node in _nodes(model, operator) for name in node.input}
    return [tensor for tensor in model.graph.initializer if tensor.name in used]


FAULTS = (
    _spoilt("a wrong normaliser in the packaged graph", wrong_normaliser),
    _spoilt("an unknown category handled differently", unknown_category),
    _spoilt("categories numbered otherwise", shifted_codes),
    _spoilt("int8 overflow", int8_overflow),
    _spoilt("two columns in each other's place", swapped_columns),
)
