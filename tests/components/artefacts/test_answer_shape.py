"""Every shape writes what it reads, sends eight digits, and decides the same way in JSON and in columns."""

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artefacts.answer_shape import (
    AnswerShape,
    Binary,
    Multiclass,
    Regression,
    differences,
    read_shape,
    side_by_side,
)
from components.declaration.targets import shape_of
from data_contracts.description.spec import ContractSpec, FieldSpec

SHAPES = [
    Binary(label="late", threshold=0.25),
    Binary(label="kind", threshold=0.25, classes=("it's", 'a "b"')),
    Binary(label="engines", threshold=0.5, classes=(2, 1)),
    Multiclass(label="band", classes=('a "quoted" % one', "b"), weights=(1.0, 3.0)),
    Multiclass(label="grade", classes=(1, 2, 3), weights=(1.0, 1.0, 1.0)),
    Regression(label="minutes", scale=12.5, buckets=(0.0, 10.0)),
    Regression(label="minutes", scale=12.5, buckets=(0.0,), quantiles=(0.1, 0.5, 0.9)),
]
EXTREME = [0.0, 1.0, 0.25, 0.1234567890123, 3e-9]


def answers_of(shape: AnswerShape, numbers: list[float]) -> np.ndarray:
    rows = np.array(numbers, dtype=np.float32)[:, None] * np.linspace(1, 0.5, len(shape.columns), dtype=np.float32)
    return side_by_side(list(rows.T))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.label} {len(shape.columns)}")
@settings(deadline=None)
@given(numbers=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_what_is_written_is_read_again(shape: AnswerShape, numbers: list[float]) -> None:
    answers = answers_of(shape, [*numbers, *EXTREME])
    rounded = shape.rounded(answers)
    predictions = json.loads(f"[{shape.writer()(rounded.tolist())}]")
    read = np.array([shape.read(prediction) for prediction in predictions])
    assert not differences(read, rounded).any()
    assert differences(rounded, answers).max() <= 5e-9
    named = shape.named(rounded)
    assert list(named) == [output.name for output in shape.outputs]
    if shape.label in named:
        assert named[shape.label].tolist() == [prediction[shape.label] for prediction in predictions]
    required = shape.schema(FieldSpec(name=shape.label, dtype="number", description="d"))["required"]
    assert all(set(prediction) == set(required) for prediction in predictions)


@settings(deadline=None)
@given(value=st.floats(-(2.0**90), 2.0**90, width=32).filter(lambda value: abs(value) > 1e-20))
def test_numbers_are_sent_with_eight_digits(value: float) -> None:
    sent = float(SHAPES[5].rounded(np.array([value], dtype=np.float32))[0])
    assert sent == pytest.approx(value, rel=1e-7)
    # Whole numbers beyond eight digits stay whole.
    assert len(f"{sent:.17g}".strip("-").split("e")[0].replace(".", "").strip("0")) <= 17
    if 1 <= abs(value) < 1e7:
        assert len(repr(sent).strip("-").replace(".", "").strip("0")) <= 8


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_survives_its_file(shape: AnswerShape) -> None:
    assert read_shape(msgspec.json.encode(shape)) == shape


def test_what_it_costs_to_miss_a_class_decides() -> None:
    field = FieldSpec(name="band", dtype="string", description="d", roles=("label",), allowed=("low", "high", "top"))
    contract = ContractSpec(name="C", description="d", fields=(field,))
    likely = np.array([[0.6, 0.3, 0.1]])
    assert shape_of(contract).decided(likely) == ["low"]
    assert shape_of(contract, misses={"high": 3.0}).decided(likely) == ["high"]
    assert shape_of(contract, misses={"high": 3.0}).counted(likely) == {"low": 0, "high": 1, "top": 0}


def test_of_two_classes_the_second_is_what_the_probability_is_of() -> None:
    field = FieldSpec(name="kind", dtype="string", description="d", roles=("label",), allowed=("ham", "spam"))
    shape = shape_of(ContractSpec(name="C", description="d", fields=(field,)), threshold=0.3)
    answers = np.array([0.2, 0.4])
    assert shape.decided(answers).tolist() == ["ham", "spam"]
    assert json.loads(shape.writer()([0.4])) == {"probability": 0.4, "kind": "spam"}
    assert shape.schema(field)["properties"]["kind"]["enum"] == ["ham", "spam"]
    assert read_shape(msgspec.json.encode(shape)) == shape


def test_an_answer_that_is_not_a_number_differs_from_everything() -> None:
    assert differences(np.array([math.nan, 1.0]), np.array([math.nan, 1.0])).tolist() == [math.inf, 0.0]
