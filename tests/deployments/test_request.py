"""Every body is either rows that keep the contract or an error that says which row, field and reason."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from components.kinds.tabular.inference import TabularInference
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.flights import Flight
from deployments.data_plane.documents.openapi import example_row
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, RowDecoder, TooManyRows
from deployments.data_plane.model import load_model

CONTRACT = Flight.spec()
ROW = example_row(CONTRACT)


@pytest.fixture
def decoder() -> RowDecoder:
    return RowDecoder(CONTRACT, max_rows=10)


def test_one_object_is_one_row_and_a_list_is_many(decoder: RowDecoder) -> None:
    (row,) = decoder.decode(json.dumps(ROW).encode())
    assert len(row) == len(CONTRACT.inputs)
    assert decoder.decode(json.dumps([ROW, ROW]).encode()) == [row, row]
    for blanks in (b" \n", b"\t\r\n " * 100):
        assert decoder.decode(blanks + json.dumps(ROW).encode()) == [row]
        assert decoder.decode(blanks + json.dumps([ROW]).encode()) == [row]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"scheduled_arrival": 1441}, "scheduled_arrival", "<= 1440"),
        ({"scheduled_arrival": 12.5}, "scheduled_arrival", "got float"),
        ({"scheduled_arrival": "620"}, "scheduled_arrival", "got str"),
        ({"distance": 0}, "distance", "> 0"),
        ({"distance": None}, "distance", "got null"),
        ({"origin": "BOS"}, "origin", "allowed: EWR, JFK, LGA"),
        ({"destination": "ord"}, "destination", "matching regex"),
        ({"carrier": "UAL"}, "carrier", "length <= 2"),
        ({"scheduled_departure": "2013-10-05T08:15:00+02:00"}, "scheduled_departure", "no timezone"),
        ({"scheduled_departure": 5}, "scheduled_departure", "got int"),
        ({"late": True}, "late", "known only after the outcome"),
        ({"colour": "red"}, "colour", "unknown field; a row has scheduled_departure"),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused_with_its_place(
    decoder: RowDecoder, change: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidRow) as refused:
        decoder.decode(json.dumps([ROW, ROW | change]).encode())
    assert refused.value.field == field
    assert reason in refused.value.reason
    if "field" not in refused.value.reason and "outcome" not in refused.value.reason:
        assert refused.value.row == 1


def test_a_missing_field_is_named_and_a_nullable_one_may_be_null(decoder: RowDecoder) -> None:
    for field in CONTRACT.inputs:
        row = {name: value for name, value in ROW.items() if name != field.name}
        with pytest.raises(InvalidRow, match="missing") as refused:
            decoder.decode(json.dumps(row).encode())
        assert refused.value.field == field.name
        if field.nullable:
            assert decoder.decode(json.dumps(ROW | {field.name: None}).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"a": NaN}', b"[1,]", b"\xff\xfe", b'{"a": "\\ud800"}'])
def test_what_is_not_json_is_malformed(decoder: RowDecoder, body: bytes) -> None:
    with pytest.raises((MalformedRequest, InvalidRow)):
        decoder.decode(body)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(decoder: RowDecoder, number: str) -> None:
    body = json.dumps(ROW).replace("57.9", number).encode()
    with pytest.raises((MalformedRequest, InvalidRow)):
        decoder.decode(body)


def test_an_empty_list_and_too_long_a_list_are_refused(decoder: RowDecoder) -> None:
    with pytest.raises(InvalidRow, match="no row"):
        decoder.decode(b"[]")
    with pytest.raises(TooManyRows, match="at most 10"):
        decoder.decode(json.dumps([ROW] * 11).encode())


def test_bounds_of_integers_may_be_given_as_any_number() -> None:
    field = FieldSpec(name="n", dtype="integer", description="", gt=0.5, lt=9.5)
    contract = ContractSpec(name="Small", description="", fields=(field,))
    decoder = RowDecoder(contract, max_rows=1)
    assert decoder.decode(b'{"n": 1}') == [(1,)]
    assert decoder.decode(b'{"n": 9}') == [(9,)]
    for bad in (b'{"n": 0}', b'{"n": 10}', b'{"n": 1.0}', b'{"n": 99999999999999999999}'):
        with pytest.raises(InvalidRow):
            decoder.decode(bad)


def test_a_body_of_a_type_that_the_kind_reads_is_a_row(build: Path) -> None:
    class Pictures(TabularInference):
        media_types = ("image/png",)

        def read_body(self, body: bytes, media_type: str, contract: ContractSpec) -> list[dict[str, Any]]:
            return [{"picture": body, "kind": media_type}]

    fields = (
        FieldSpec(name="picture", dtype="bytes", description="", media_type="image/*", max_bytes=4),
        FieldSpec(name="kind", dtype="string", description=""),
    )
    contract = ContractSpec(name="Photo", description="", fields=fields)
    model = msgspec.structs.replace(
        load_model(build), inference=Pictures(), contract=contract, decoder=RowDecoder(contract, 10)
    )
    assert model.body_types == ("application/json", "image/png")
    assert model.rows_of(b"\xff\x00", "Image/PNG; q=1") == [(b"\xff\x00", "image/png")]
    for said in ("application/json", "application/json; charset=utf-8"):
        assert model.rows_of(b'{"picture": "QUI=", "kind": "a"}', said) == [(b"AB", "a")]
    with pytest.raises(InvalidRow, match="row 0, field picture: Expected bytes of length <= 4"):
        model.rows_of(b"12345", "image/png")
    assert load_model(build).body_types == ("application/json",)
