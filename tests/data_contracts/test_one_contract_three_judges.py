"""Row checks, pydantic and the request decoder accept and refuse the same rows: on generated contracts and rows."""

import json
from datetime import date, datetime
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError, create_model

from data_contracts.contract import Contract, column
from data_contracts.frame_schema import frame_schema
from data_contracts.row_checks import keeps, row_checks
from data_contracts.spec import ContractSpec, disputed, python_pattern
from deployments.data_plane.request import InvalidRow, MalformedRequest, RowDecoder

PATTERNS = ["^[A-Z]{3}$", "^a.*z$", "[0-9]+", "^(?:ab|cd)*$", "^$", "x|y$", "^[$]+$"]
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "datetime": datetime,
    "date": date,
}
# Surrogates are no Unicode text: neither a column nor a request can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["ABC", "ABC\n", "abc", "az", "abz", "12", "é", "", "\n", "$", "y", "y\n", "ab", "abcd", "A\u0301", "\u0000"]
)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
bounds = st.integers(-4, 4) | st.sampled_from([-(2**53), 2**53, 2**62])
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 1.0, 1e308, 5e-324]) | integers
moments = st.datetimes() | st.sampled_from([datetime.min, datetime.max, datetime(2013, 1, 1)])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "integer": integers,
    "number": numbers,
    "boolean": st.booleans(),
    "datetime": moments,
    "date": moments.map(datetime.date),
}


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, Any, Any]:
    """Return the type name, annotation and declaration of a field with random rules."""
    dtype = draw(st.sampled_from(list(TYPES)))
    annotation: Any = TYPES[dtype]
    rules: dict[str, Any] = {}
    if dtype in ("integer", "number"):
        rules = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(("ge", "gt", "le", "lt"), bounds)))
        for one, other in (("ge", "gt"), ("le", "lt")):
            if one in rules:
                rules.pop(other, None)
    if dtype == "string":
        lengths = st.integers(0, 4)
        optional = {"min_length": lengths, "max_length": lengths, "pattern": st.sampled_from(PATTERNS)}
        rules = draw(st.fixed_dictionaries({}, optional=optional))
    if dtype in ("string", "integer") and draw(st.integers(0, 4)) == 0:
        rules = {}
        options = texts if dtype == "string" else st.integers(-5, 5)
        annotation = Literal[tuple(draw(st.lists(options, min_size=1, max_size=3, unique=True)))]
    if draw(st.booleans()):
        annotation = annotation | None
    return dtype, annotation, column("generated", **rules)


@st.composite
def contracts_with_rows(draw: st.DrawFn) -> tuple[type[Contract], list[dict[str, Any]]]:
    made = {f"f{index}": draw(fields()) for index in range(draw(st.integers(1, 4)))}
    declared: dict[str, Any] = {name: (annotation, rule) for name, (_, annotation, rule) in made.items()}
    label = (bool, column("label", roles=("label",), available="after"))
    contract: type[Contract] = create_model("Generated", __base__=Contract, label=label, **declared)
    row = st.fixed_dictionaries({name: st.none() | VALUES[dtype] for name, (dtype, _, _) in made.items()})
    return contract, draw(st.lists(row, min_size=1, max_size=8))


def as_json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=lambda value: value.isoformat()).encode()


def judged_by_checks(rows: list[dict[str, Any]], contract: ContractSpec) -> list[bool]:
    schema = frame_schema(contract)
    floats = {field.name for field in contract.fields if field.dtype == "number"}
    plain = [{k: float(v) if k in floats and v is not None else v for k, v in row.items()} for row in rows]
    frame = pl.DataFrame([row | {"label": True} for row in plain], schema=schema)
    judged = frame.select(
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
