"""Contracts with random rules, and rows that keep and break them, for tests in which two judges must agree."""

from datetime import date, datetime
from typing import Any, Literal

import polars as pl
from hypothesis import strategies as st
from pydantic import create_model

from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec
from data_contracts.language.frame_schema import frame_schema

PATTERNS = ["^[A-Z]{3}$", "^a.*z$", "[0-9]+", "^(?:ab|cd)*$", "^$", "x|y$", "^[$]+$"]
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "datetime": datetime,
    "date": date,
    "text": str,
    "bytes": bytes,
    "vector": list[float],
}
# Surrogates are no Unicode text: neither a column nor a request can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["ABC", "ABC\n", "abc", "az", "abz", "12", "é", "", "\n", "$", "y", "y\n", "ab", "abcd", "A\u0301", "\u0000"]
)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
whole_bounds = st.integers(-4, 4) | st.sampled_from([-(2**53), 2**53, 2**62])
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 1.0, 1e308, 5e-324]) | integers
moments = st.datetimes() | st.sampled_from([datetime.min, datetime.max, datetime(2013, 1, 1)])
# Beyond the first and the last moment there is none, which a contract may not ask for.
moment_bounds = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.just(datetime(2013, 1, 1))
BOUNDS: dict[str, st.SearchStrategy[Any]] = {
    "integer": whole_bounds,
    "number": whole_bounds,
    "datetime": moment_bounds,
    "date": moment_bounds.map(datetime.date),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "integer": integers,
    "number": numbers,
    "boolean": st.booleans(),
    "datetime": moments,
    "date": moments.map(datetime.date),
    "text": texts,
    "bytes": st.binary(max_size=5),
    "vector": st.lists(numbers.map(float), max_size=4),
}
# What a request may hold instead of a value: of another type, or written in another way.
# fmt: off
ODD = st.sampled_from([
    True, False, 0, 1, 1.0, 2.0, -0.0, 1577836800, 2**63, -(2**64), 1e300, [], {}, "", "0", "1", "true", "1577836800",
    "2013-01-01", "20130101", "2013-02-30", "2013-01-01 00:00:00", "2013-01-01T00:00:00", "2013-01-01T00:00",
    "QUJD", "QUI", "QUI=", "QU_-", "QUJD\n", [1], [0.5, 2], [1, None], ["1"], [True], [[1.0]],
    "2013-01-01T00:00:00Z", "2013-01-01_00:00:00", "2013-01-01T00:00:00,5", "2013-01-01T00:00:00.9999999",
])
# fmt: on


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, Any, Any]:
    """Return the type name, annotation and declaration of a field with random rules."""
    dtype = draw(st.sampled_from(list(TYPES)))
    annotation: Any = TYPES[dtype]
    rules: dict[str, Any] = {}
    if dtype in BOUNDS:
        rules = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(("ge", "gt", "le", "lt"), BOUNDS[dtype])))
        for one, other in (("ge", "gt"), ("le", "lt")):
            if one in rules:
                rules.pop(other, None)
    if dtype == "bytes":
        rules = {"media_type": "application/octet-stream", "max_bytes": draw(st.integers(1, 4))}
    if dtype == "vector":
        low = draw(st.integers(0, 2))
        rules = {"min_length": low, "max_length": draw(st.integers(low, 3))}
    if dtype in ("string", "text"):
        lengths = st.integers(0, 4)
        optional = {"min_length": lengths, "max_length": lengths, "pattern": st.sampled_from(PATTERNS)}
        always = {"media_type": st.just("text/plain")} if dtype == "text" else {}
        rules = draw(st.fixed_dictionaries(always, optional=optional))
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


@st.composite
def contracts_with_requests(draw: st.DrawFn) -> tuple[type[Contract], list[dict[str, Any]]]:
    """Return a contract and rows as JSON can have them, in which values of a wrong type or form are frequent."""
    contract, rows = draw(contracts_with_rows())
    return contract, [{name: draw(st.just(value) | ODD) for name, value in row.items()} for row in rows]


def as_frame(rows: list[dict[str, Any]], contract: ContractSpec) -> pl.DataFrame:
    floats = {field.name for field in contract.fields if field.dtype == "number"}
    plain = [{k: float(v) if k in floats and v is not None else v for k, v in row.items()} for row in rows]
    return pl.DataFrame([row | {"label": True} for row in plain], schema=frame_schema(contract))
