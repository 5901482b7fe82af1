"""A field may be called nearly anything: the same name at every door, and a safe one in the class."""

from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import create_model

from components.data.sources.casting import cast_columns, contract_casts
from components.declaration.features import FeatureStep
from components.features.recipe import fit_recipe, recipe_graph
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec
from data_contracts.language.compilation import taken_names
from data_contracts.language.field_names import name_fault
from deployments.data_plane.formats.request import InvalidRow, RowDecoder

ODD = [
    "class",
    "date",
    "2nd floor",
    "a.b",
    "a b",
    "a[0]",
    "größe",
    "名前",
    "x-y",
    "$",
    "it's",
    "{x}",
    "add.1",
    "constant.0",
    "a.b.c",
    "model_id",
    "copy",
    "schema",
]
names = st.sampled_from(ODD) | st.text(min_size=1, max_size=12)


def contract_of(*called: str) -> ContractSpec:
    fields: dict[str, Any] = {
        f"field_{place}": (float, column("A number", source_name=name, ge=0)) for place, name in enumerate(called)
    }
    label = (bool, column("The answer", roles=("label",), available="after"))
    return create_model("Named", __base__=Contract, **fields, answer_of_all=label).spec()


@settings(deadline=None)
@given(names)
def test_what_is_no_fault_of_a_name_is_the_same_at_every_door(name: str) -> None:
    if name_fault(name) or name == "answer_of_all" or name.startswith(("probability", "trainer_", "exported_")):
        return
    if name in taken_names():
        with pytest.raises(TypeError, match="is called so"):
            contract_of(name)
        return
    contract = contract_of(name)
    assert contract.inputs[0].name == name
    rows = pl.LazyFrame({name: ["1.5", "2"], "answer_of_all": ["yes", "no"]})
    cast = rows.select(cast_columns(contract_casts(rows.collect_schema(), contract))).collect()
    assert cast[name].to_list() == [1.5, 2.0]
    decoder = RowDecoder(contract, 10)
    assert decoder.decode(msgspec.json.encode({name: 1.5})) == [(1.5,)]
    with pytest.raises(InvalidRow) as refused:
        decoder.decode(msgspec.json.encode([{name: 1.5}, {name: -1}]))
    assert (refused.value.field, refused.value.row) == (name, 1)


def test_names_that_look_like_places_or_tensors_are_told_apart() -> None:
    called = ("a", "a.b", "a[0]", "add.1", "constant.0", "sub.1")
    contract = contract_of(*called)
    row = dict.fromkeys(called, 1.0)
    for name in called:
        with pytest.raises(InvalidRow) as refused:
            RowDecoder(contract, 1).decode(msgspec.json.encode({**row, name: "x"}))
        assert refused.value.field == name
    train = pl.LazyFrame({**{name: [1.0, 2.0, 4.0] for name in called}, "answer_of_all": [True, False, True]})
    recipe = fit_recipe(train, [FeatureStep(transform="standardise", fields=called)], contract)
    graph = recipe_graph(recipe, contract)
    assert [tensor.name for tensor in graph.graph.input] == list(called)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "blanks"),
        (" ", "blanks"),
        ("a\nb", "cannot be seen"),
        ("*", "pattern"),
        ("^a.*$", "pattern"),
        ("slipway:x", "ours"),
        ("x:raw", "ours"),
        ("x" * 201, "at most 200"),
        ('a "b"', "no quote sign"),
        (3, "is text"),
    ],
)
def test_a_name_that_another_part_would_misread_is_refused_with_what_to_do(name: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        contract_of(name)


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(TypeError, match="more than one field is called 'x'"):
        contract_of("x", "x")


def test_pydantic_takes_a_row_by_the_names_of_the_source() -> None:
    class Flower(Contract):
        sepal: float = column("Of the sepal", source_name="sepal length (cm)", ge=0)
        kind: bool = column("Which", roles=("label",), available="after", source_name="class")

    row = Flower.model_validate({"sepal length (cm)": 1.5, "class": True})
    assert (row.sepal, row.kind) == (1.5, True)
    assert [field.name for field in Flower.spec().fields] == ["sepal length (cm)", "class"]
