"""A graph in two: what is looked up for one string field alone, and the rest, which takes no strings.

A column of many rows has few different strings. Handing every row's string to ONNX Runtime costs a Python object and a
copy a row; with the graph in two, each different string is looked up once and the rows gather the result by index.
Every element goes through the same operations as in the whole graph.
"""

from typing import NamedTuple

import onnx
import onnxruntime
from onnx import TensorProto, helper

from components.features.fusion import ELEMENTWISE

# Besides the elementwise operations; Gather only from a constant list, so that each row has one value.
LOOKUPS = frozenset({"LabelEncoder", "MurmurHash3", "Gather"})
ELEMENT_TYPES = {
    "tensor(int64)": TensorProto.INT64,
    "tensor(int32)": TensorProto.INT32,
    "tensor(uint32)": TensorProto.UINT32,
    "tensor(double)": TensorProto.DOUBLE,
    "tensor(float)": TensorProto.FLOAT,
    "tensor(bool)": TensorProto.BOOL,
}


class Lookup(NamedTuple):
    """What is computed from one string field alone: ``tensors``, each of shape [rows]."""

    field: str
    tensors: tuple[str, ...]
    model: onnx.ModelProto


class Divided(NamedTuple):
    """The two parts of a graph; ``rest`` takes the tensors of the lookups as inputs."""

    lookups: tuple[Lookup, ...]
    rest: onnx.ModelProto


def divide_graph(model: onnx.ModelProto) -> Divided:
    """Divide a graph; string fields that more than lookups need stay inputs of the rest."""
    owners = _owners(model.graph)
    texts = {value.name: value for value in model.graph.input if _is_text(value)}
    looked_up = [node for node in model.graph.node if node.output[0] in owners]
    others = [node for node in model.graph.node if node.output[0] not in owners]
    wanted = {name for node in others for name in node.input} | {value.name for value in model.graph.output}
    lookups: list[Lookup] = []
    infos: list[onnx.ValueInfoProto] = []
    for field in texts:
        nodes = [node for node in looked_up if owners[node.output[0]] == field]
        tensors = tuple(node.output[0] for node in nodes if node.output[0] in wanted)
        if not tensors:
            continue
        lookup = _part(model, nodes, [texts[field]], [onnx.ValueInfoProto(name=name) for name in tensors])
        outputs = onnxruntime.InferenceSession(lookup.SerializeToString()).get_outputs()
        infos += [helper.make_tensor_value_info(made.name, ELEMENT_TYPES[made.type], ["rows"]) for made in outputs]
        lookups.append(Lookup(field, tensors, lookup))
    inputs = [value for value in model.graph.input if value.name not in texts or value.name in wanted]
    return Divided(tuple(lookups), _part(model, others, [*inputs, *infos], list(model.graph.output)))


def _owners(graph: onnx.GraphProto) -> dict[str, str]:
    """Return the tensors of shape [rows] that follow from one string field alone, each with that field."""
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    owners = {value.name: value.name for value in graph.input if _is_text(value)}
    texts = set(owners)
    answers = {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type not in ELEMENTWISE | LOOKUPS or len(node.output) != 1 or node.output[0] in answers:
            continue
        varying = [name for name in node.input if name not in constants]
        fields = {owners.get(name) for name in varying}
        if len(fields) != 1 or None in fields:
            continue
        shapes = [constants[name] for name in node.input if name in constants]
        # A table in front of an index, or scalars: then the result has a value a row, as the field has.
        table = node.op_type == "Gather" and varying == [node.input[1]] and len(shapes[0]) == 1
        if table or (node.op_type != "Gather" and all(shape in ((), (1,)) for shape in shapes)):
            owners[node.output[0]] = owners[varying[0]]
    return {name: field for name, field in owners.items() if name not in texts}


def _is_text(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == TensorProto.STRING)


def _part(
    model: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Return some nodes of a graph as a model of its own, with the constants that they need."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph = part.graph
    needed = {name for node in nodes for name in node.input} | {value.name for value in outputs}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    graph.input.extend(inputs)
    graph.output.extend(outputs)
    return part
