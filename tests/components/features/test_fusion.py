"""Fusing columns changes how a graph is written, never what it answers."""

import numpy as np
import onnx
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto

from components.features.fusion import fuse_columns, unstack_columns
from components.features.graph import GraphBuilder
from data_contracts.description.spec import FieldSpec

FIELDS = tuple(FieldSpec(name=name, dtype="number", description="") for name in "abcde")
TEXT = FieldSpec(name="text", dtype="string", description="")


def stacked() -> onnx.ModelProto:
    """Return a stack that mixes alike columns, flags, a lonely expression and a category, out of order."""
    graph = GraphBuilder((*FIELDS, TEXT))
    columns = []
    for index, field in enumerate(FIELDS):
        value, missing = graph.finite(field.name)
        filled = graph.add("Where", [missing, graph.number(index / 7), value])
        columns.append(graph.add("Div", [graph.add("Sub", [filled, graph.number(0.5)]), graph.number(index + 1)]))
        if index % 2:
            columns.append(missing)
    columns.insert(3, graph.add("Sqrt", [graph.add("Abs", [graph.input("a")])]))
    keys = {"keys_strings": ["x", "y"], "values_int64s": [1, 2], "default_int64": 0}
    columns.insert(1, graph.add("LabelEncoder", [graph.input("text")], domain="ai.onnx.ml", **keys))
    return graph.build({"values": (graph.stack(columns, TensorProto.FLOAT), TensorProto.FLOAT, len(columns))}, "test")


def answer(model: onnx.ModelProto, numbers: NDArray[np.float64], texts: list[str]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {field.name: np.ascontiguousarray(numbers[:, index]) for index, field in enumerate(FIELDS)}
    (values,) = session.run(["values"], feeds | {"text": np.array(texts, dtype=object)})
    return values


PLAIN = stacked()
FUSED = fuse_columns(PLAIN)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
ROWS = st.lists(st.tuples(*[NUMBERS] * len(FIELDS), st.sampled_from(["x", "y", "z", ""])), min_size=0, max_size=9)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_a_fused_graph_gives_the_same_bits(rows: list[tuple[float | str, ...]]) -> None:
    numbers = np.array([row[:-1] for row in rows], dtype=np.float64).reshape(len(rows), len(FIELDS))
    texts = [str(row[-1]) for row in rows]
    np.testing.assert_array_equal(answer(FUSED, numbers, texts), answer(PLAIN, numbers, texts))


def test_a_fused_graph_has_fewer_nodes_and_the_same_interface() -> None:
    assert len(FUSED.graph.node) < len(PLAIN.graph.node) * 2 / 3
    assert [value.name for value in FUSED.graph.input] == [value.name for value in PLAIN.graph.input]
    assert FUSED.graph.output == PLAIN.graph.output


def test_a_graph_without_alike_columns_stays_as_it_is() -> None:
    graph = GraphBuilder(FIELDS)
    columns = [graph.add("Abs", [graph.input("a")]), graph.add("Neg", [graph.input("b")])]
    model = graph.build({"values": (graph.stack(columns, TensorProto.FLOAT), TensorProto.FLOAT, 2)}, "test")
    assert fuse_columns(model).graph == model.graph


def test_a_column_that_is_taken_out_of_a_stack_is_the_one_that_was_put_in() -> None:
    graph = GraphBuilder(FIELDS)
    columns = [graph.add("Abs", [graph.input("a")]), graph.add("Neg", [graph.input("b")])]
    stack = graph.add("Identity", [graph.stack(columns, TensorProto.DOUBLE)])
    second, first = (graph.add("Gather", [stack, graph.constant(np.array(place))], axis=1) for place in (1, 0))
    whole = graph.stack([graph.add("Sub", [second, first])], TensorProto.FLOAT)
    model = graph.build({"values": (whole, TensorProto.FLOAT, 1)}, "test")
    unstacked = unstack_columns(model)
    assert "Gather" not in {node.op_type for node in unstacked.graph.node}
    feeds = {"a": np.array([1.0, -2.0]), "b": np.array([3.0, 4.0])}
    answers = [
        onnxruntime.InferenceSession(made.SerializeToString()).run(["values"], feeds)[0] for made in (model, unstacked)
    ]
    np.testing.assert_array_equal(*answers)
    np.testing.assert_array_equal(answers[0], [[-4.0], [-6.0]])


def test_a_stack_that_somebody_else_needs_stays() -> None:
    graph = GraphBuilder(FIELDS)
    stack = graph.stack([graph.input("a"), graph.input("b")], TensorProto.FLOAT)
    model = graph.build({"values": (stack, TensorProto.FLOAT, 2)}, "test")
    assert unstack_columns(model).graph == model.graph
