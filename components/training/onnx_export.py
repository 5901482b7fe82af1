"""From trained networks and trees to ONNX graphs that take raw contract fields: export, join, make repeatable."""

import importlib.metadata
import logging
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from components.artefacts.errors import TrainingError
from components.features.fusion import unstack_columns
from components.features.graph import IR_VERSION, OPSET, operator_sets


def export_network(
    network: nn.Module, examples: Sequence[Tensor], inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Return a network as ONNX with a free first dimension called ``rows`` in every input.

    ``examples`` need at least two rows: torch.export takes a dimension of one for a constant.
    """
    rows = torch.export.Dim("rows", min=1, max=2**31 - 1)
    # The exporter reports each step of its work to stderr and warns about its own internals.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.eval(),
                tuple(examples),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=[{0: rows} for _ in examples],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None, "the dynamo exporter returns a program"
    return repeatable(program.model_proto)


def stacked(
    model: onnx.ModelProto, values: int, codes: int, places: Sequence[NDArray[np.float32]] = ()
) -> onnx.ModelProto:
    """Put before a graph of one float matrix what makes it of ``values`` [rows, V] and ``codes`` [rows, C] int64.

    ``places`` are the number that stands for each code, column by column; without them codes are the numbers.
    """
    graph = onnx.ModelProto()
    graph.CopyFrom(model)
    taken = graph.graph.input[0].name
    del graph.graph.input[:]
    sides: list[str] = []
    nodes: list[onnx.NodeProto] = []
    if values:
        graph.graph.input.append(helper.make_tensor_value_info("values", TensorProto.FLOAT, ["rows", values]))
        sides.append("values")
    if codes:
        graph.graph.input.append(helper.make_tensor_value_info("codes", TensorProto.INT64, ["rows", codes]))
        if places:
            starts = np.cumsum([0, *(len(one) for one in places[:-1])], dtype=np.int64)[None]
            for name, array in (("starts", starts), ("places", np.concatenate(places))):
                graph.graph.initializer.append(numpy_helper.from_array(array, f"codes_{name}"))
            nodes.append(helper.make_node("Add", ["codes", "codes_starts"], ["codes_started"]))
            nodes.append(helper.make_node("Gather", ["codes_places", "codes_started"], ["codes_as_numbers"]))
        else:
            nodes.append(helper.make_node("Cast", ["codes"], ["codes_as_numbers"], to=TensorProto.FLOAT))
        sides.append("codes_as_numbers")
    nodes.append(helper.make_node("Concat", sides, [taken], axis=1))
    nodes.extend(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return graph


def join(front: onnx.ModelProto, back: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``front`` followed by ``back``, whose inputs are outputs of ``front`` by name."""
    domains = {node.domain for model in (front, back) for node in model.graph.node}
    merged = compose.merge_models(
        compose.add_prefix(_with_versions(front, domains), "recipe/", rename_inputs=False),
        compose.add_prefix(_with_versions(back, domains), "model/", rename_outputs=False),
        io_map=[(f"recipe/{tensor.name}", f"model/{tensor.name}") for tensor in back.graph.input],
        name="slipway",
        producer_name="slipway",
    )
    return repeatable(unstack_columns(merged))


def answering(model: onnx.ModelProto, source: str, columns: Sequence[int] | None) -> onnx.ModelProto:
    """Leave one output, ``answer`` float32: ``source`` [rows, ...], or some of its columns."""
    graph = onnx.ModelProto()
    graph.CopyFrom(model)
    if columns is None:
        graph.graph.node.append(helper.make_node("Identity", [source], ["answer"]))
    else:
        places = helper.make_tensor("answer_columns", TensorProto.INT64, [len(columns)], columns)
        graph.graph.initializer.append(places)
        graph.graph.node.append(helper.make_node("Gather", [source, "answer_columns"], ["answer"], axis=1))
    count = None if columns is None else len(columns)
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["rows", count]))
    return graph


def finished(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a checked model; TrainingError if it is not a valid one."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainingError(f"the exported graph is not valid ONNX: {error}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def graph_facts(path: Path) -> dict[str, Any]:
    """Return what a runtime must know to run a graph: format, operator sets, operators, the versions that made it."""
    model = onnx.load(path)
    operators = Counter(f"{node.domain}:{node.op_type}" if node.domain else node.op_type for node in model.graph.node)
    return {
        "ir_version": model.ir_version,
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "operators": dict(sorted(operators.items())),
        "inputs": {
            tensor.name: TensorProto.DataType.Name(tensor.type.tensor_type.elem_type) for tensor in model.graph.input
        },
        "outputs": {t.name: TensorProto.DataType.Name(t.type.tensor_type.elem_type) for t in model.graph.output},
        "runtime": {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime")},
    }


def repeatable(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without what differs from run to run or names files of this machine: notes, traces, docs."""
    clean = onnx.ModelProto()
    clean.CopyFrom(model)
    clean.doc_string = ""
    clean.producer_name, clean.producer_version = "slipway", ""
    del clean.metadata_props[:]
    graph = clean.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    return clean


def _with_versions(model: onnx.ModelProto, domains: Collection[str]) -> onnx.ModelProto:
    """Return a model of the operator sets that every graph of ours is of, and of those in ``domains``."""
    same = onnx.ModelProto()
    same.CopyFrom(model)
    same.ir_version = IR_VERSION
    del same.opset_import[:]
    same.opset_import.extend(operator_sets(domains))
    return same
