"""A graph in two parts gives the bits of the whole, whatever the strings are and whatever is looked up for them."""

import numpy as np
import onnx
import onnxruntime
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.data.record_batches import record_batch
from components.declaration.features import FeatureStep
from components.features.recipe import fit_recipe, recipe_graph
from components.kinds.tabular.raw import number_column, text_column
from components.kinds.tabular.text_lookup import Divided, divide_graph
from data_contracts.contract import Contract, column


class Parcel(Contract):
    """Two strings, of which one may be missing, a number and a label."""

    city: str | None = column("where to")
    code: str = column("what kind")
    weight: float | None = column("how heavy")
    late: bool = column("too late", roles=("label",), available="after")


CONTRACT = Parcel.spec()
TRAINING = pl.DataFrame(
    {
        "city": ["Oslo", None, "Rome", "Oslo", "", "日本"] * 5,
        "code": ["a", "b", "a", "", "c", "b\u0000"] * 5,
        "weight": [1.0, None, 3.0, -4.5, 1e30, 0.0] * 5,
        "late": [True, False, False, True, False, True] * 5,
    }
)
# Every transform that takes a string, alone and together; 'cross' of both needs what two lookups give.
STEPS = [
    FeatureStep(transform="category", fields=("city", "code")),
    FeatureStep(transform="cross", fields=("city", "code"), min_count=1),
    FeatureStep(transform="frequency", fields=("city",)),
    FeatureStep(transform="target_mean", fields=("code",)),
    FeatureStep(transform="hash_bucket", fields=("city", "code"), buckets=7),
    FeatureStep(transform="standardise", fields=("weight",)),
]


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


WHOLE = recipe_graph(fit_recipe(TRAINING.lazy(), STEPS, CONTRACT), CONTRACT)
DIVIDED = divide_graph(WHOLE)


def answer(divided: Divided, rows: pl.DataFrame) -> list[NDArray[np.generic]]:
    """Answer with the two parts, as the bulk predictor does."""
    batch = record_batch(rows)
    feeds = {"weight": number_column(batch.column("weight"), CONTRACT.field("weight"))}
    for lookup in divided.lookups:
        texts, indices = text_column(batch.column(lookup.field))
        for name, found in zip(lookup.tensors, session(lookup.model).run(None, {lookup.field: texts}), strict=True):
            feeds[name] = found[indices]
    return list(session(divided.rest).run(["values", "codes"], feeds))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts |= st.sampled_from(["Oslo", "Rome", "", "a", "b", "b\u0000", "日本", "x" * 70_000])
rows = st.tuples(texts | st.none(), texts, st.floats(allow_nan=True) | st.none())


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, min_size=1, max_size=20))
def test_two_parts_give_the_bits_of_the_whole(given_rows: list[tuple[str | None, str, float | None]]) -> None:
    schema = {"city": pl.String(), "code": pl.String(), "weight": pl.Float64()}
    frame = pl.DataFrame(given_rows, schema=schema, orient="row")
    feeds = {
        "city": np.array([text or "" for text in frame["city"]], dtype=object),
        "code": np.array(frame["code"].to_list(), dtype=object),
        "weight": np.array(frame["weight"].to_list(), dtype=np.float64),
    }
    for ours, whole in zip(answer(DIVIDED, frame), session(WHOLE).run(["values", "codes"], feeds), strict=True):
        np.testing.assert_array_equal(ours, whole)


def test_the_rest_takes_no_strings() -> None:
    assert {lookup.field for lookup in DIVIDED.lookups} == {"city", "code"}
    assert all(value.type != "tensor(string)" for value in session(DIVIDED.rest).get_inputs())


def test_a_string_that_is_compared_with_another_stays_an_input() -> None:
    made = onnx.helper.make_tensor_value_info
    text, flag = onnx.TensorProto.STRING, onnx.TensorProto.BOOL
    node = onnx.helper.make_node("Equal", ["city", "code"], ["same"])
    inputs = [made(name, text, ["rows"]) for name in ("city", "code")]
    graph = onnx.helper.make_graph([node], "compare", inputs, [made("same", flag, ["rows"])])
    divided = divide_graph(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    )
    assert not divided.lookups
    assert [value.name for value in session(divided.rest).get_inputs()] == ["city", "code"]
