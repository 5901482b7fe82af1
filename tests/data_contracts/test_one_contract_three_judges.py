"""Row checks, pydantic and the request decoder accept and refuse the same rows: on generated contracts and rows."""

import json
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError, create_model

from data_contracts.contract import Contract, column
from data_contracts.row_checks import keeps, row_checks
from data_contracts.spec import ContractSpec, disputed, python_pattern
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, RowDecoder
from tests.data_contracts.generated_contracts import as_frame, contracts_with_rows


def as_json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=lambda value: value.isoformat()).encode()


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


@pytest.mark.parametrize("pattern", [r"^\d+$", r"(?i)x", r"a(?=b)", r"\bword", r"(a)\1"])
def test_a_pattern_that_engines_read_differently_is_refused(pattern: str) -> None:
    assert disputed(pattern)


def test_the_end_of_a_pattern_is_the_end_of_the_text() -> None:
    assert python_pattern(r"^[A-Z$]{3}\$$") == r"^[A-Z$]{3}\$\Z"
