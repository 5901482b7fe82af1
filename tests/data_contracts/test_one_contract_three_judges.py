"""Row checks, pydantic and the request decoder accept and refuse the same rows: on generated contracts and rows."""

import base64
import json
from datetime import datetime
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError, create_model

from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, read_contract
from data_contracts.language.row_checks import keeps, row_checks
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, RowDecoder
from deployments.data_plane.tables.checks import check_table
from tests.data_contracts.generated_contracts import as_frame, contracts_with_requests, contracts_with_rows


def as_json(row: dict[str, Any]) -> bytes:
    def written(value: Any) -> str:
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value.isoformat()

    return json.dumps(row, default=written).encode()


def judged_by_checks(rows: list[dict[str, Any]], contract: ContractSpec) -> list[bool]:
    judged = as_frame(rows, contract).select(
        by_checks=~pl.any_horizontal([check.broken for check in row_checks(contract)]), at_once=keeps(contract)
    )
    assert judged["at_once"].to_list() == judged["by_checks"].to_list()
    return judged["by_checks"].to_list()


def judged_by_pydantic(row: dict[str, Any], contract: type[Contract]) -> bool:
    try:
        contract.model_validate_json(as_json(row | {"label": True}))
    except ValidationError:
        return False
    return True


def judged_by_decoder(row: dict[str, Any], decoder: RowDecoder) -> bool:
    try:
        decoder.decode(as_json(row))
    except (InvalidRow, MalformedRequest):
        return False
    return True


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts_with_rows())
def test_all_three_accept_and_refuse_the_same_rows(given_: tuple[type[Contract], list[dict[str, Any]]]) -> None:
    contract, rows = given_
    spec = contract.spec()
    decoder = RowDecoder(spec, max_rows=10)
    checks = judged_by_checks(rows, spec)
    assert checks == [judged_by_pydantic(row, contract) for row in rows]
    assert checks == [judged_by_decoder(row, decoder) for row in rows]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts_with_requests())
def test_pydantic_and_decoder_take_the_same_json(given_: tuple[type[Contract], list[dict[str, Any]]]) -> None:
    contract, rows = given_
    decoder = RowDecoder(contract.spec(), max_rows=10)
    assert [judged_by_decoder(row, decoder) for row in rows] == [judged_by_pydantic(row, contract) for row in rows]


def judged_as_columns(row: pl.DataFrame, contract: ContractSpec) -> bool:
    try:
        check_table(row.to_arrow(), contract)
    except InvalidRow:
        return False
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts_with_rows())
def test_columns_of_a_request_are_judged_as_its_rows_are(
    given_: tuple[type[Contract], list[dict[str, Any]]],
) -> None:
    contract, rows = given_[0].spec(), given_[1]
    names = [field.name for field in contract.inputs]
    frame = as_frame(rows, contract).select(names)
    judged = [judged_as_columns(frame[place], contract) for place in range(len(rows))]
    assert judged == judged_by_checks(rows, contract)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts_with_rows())
def test_a_contract_that_was_stored_judges_as_before(given_: tuple[type[Contract], list[dict[str, Any]]]) -> None:
    contract, rows = given_
    spec = contract.spec()
    stored = read_contract(msgspec.json.encode(spec))
    assert stored == spec
    assert judged_by_checks(rows, stored) == judged_by_checks(rows, spec)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [("1", int), (1.0, int), (True, int), ("1.5", float), (True, float), (1, str), (1, bool), ("true", bool)],
)
def test_a_value_of_another_type_is_refused_by_pydantic_and_decoder(value: object, dtype: type) -> None:
    contract = create_model(
        "Typed",
        __base__=Contract,
        f=(dtype, column("field")),
        label=(bool, column("label", roles=("label",), available="after")),
    )
    assert not judged_by_pydantic({"f": value}, contract)
    assert not judged_by_decoder({"f": value}, RowDecoder(contract.spec(), max_rows=1))


def test_a_zone_and_too_large_an_integer_are_refused_by_both() -> None:
    class Wide(Contract):
        """A row."""

        when: datetime = column("moment")
        count: int = column("count")
        label: bool = column("label", roles=("label",), available="after")

    decoder = RowDecoder(Wide.spec(), max_rows=1)
    good = {"when": "2013-01-01T00:00:00", "count": 2**63 - 1}
    bad = [good | {"when": "2013-01-01T00:00:00Z"}, good | {"count": 2**63}, good | {"count": -(2**63) - 1}]
    for row, accepted in [(good, True), *((row, False) for row in bad)]:
        assert judged_by_pydantic(row, Wide) is accepted
        assert judged_by_decoder(row, decoder) is accepted


def test_years_that_a_request_cannot_name_are_refused() -> None:
    class Moment(Contract):
        """A row."""

        when: datetime = column("moment")
        label: bool = column("label", roles=("label",), available="after")

    far = pl.DataFrame({"when": [0, 400_000_000_000_000_000], "label": [True, True]}).cast({"when": pl.Datetime("us")})
    (check,) = [check for check in row_checks(Moment.spec()) if "years" in check.reason]
    assert far.select(check.broken).to_series().to_list() == [False, True]
