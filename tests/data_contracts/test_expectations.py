"""Expectations about a data set as a whole, judged by Great Expectations."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, Expectation
from data_contracts.language import validation
from data_contracts.language.validation import check_dataset

BETWEEN = "ExpectColumnValuesToBeBetween"
QUANTILES = "ExpectColumnQuantileValuesToBeBetween"


class Row(Contract):
    """A row."""

    number: float = column("a number")
    other: float | None = column("another")
    code: str = column("a code")
    when: datetime = column("when")
    late: bool = column("label", roles=("label",), available="after")


def contract(*expectations: tuple[str, dict[str, Any]]) -> ContractSpec:
    given = tuple(Expectation(expectation=name, arguments=arguments) for name, arguments in expectations)
    made = Row.spec()
    return ContractSpec(name=made.name, description="", fields=made.fields, expectations=given)


def quantiles(shares: list[float], ranges: list[list[Any]], column: str = "number") -> dict[str, Any]:
    return {"column": column, "quantile_ranges": {"quantiles": shares, "value_ranges": ranges}}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    number = np.arange(2_000) / 10
    frame = pl.DataFrame(
        {
            "number": number,
            "other": [None if index % 50 == 0 else value * 2 for index, value in enumerate(number)],
            "code": ["a", "b"] * 1_000,
            "when": [datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=5)] * 2_000,
            "late": [True, False] * 1_000,
        }
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    pl.DataFrame({"known": ["a", "c"]}).write_parquet(tmp_path / "codes.parquet")
    return tmp_path / "rows.parquet"


def test_every_kind_of_expectation_passes_and_fails(rows: Path, tmp_path: Path) -> None:
    codes = str(rows.with_name("codes.parquet"))
    expected = [
        ("ExpectTableRowCountToBeBetween", {"min_value": 1, "max_value": 2_000}, True),
        ("ExpectTableRowCountToBeBetween", {"min_value": 2_001}, False),
        ("ExpectColumnValuesToBeUnique", {"column": "number"}, True),
        ("ExpectColumnValuesToBeUnique", {"column": "code"}, False),
        ("ExpectColumnValuesToNotBeNull", {"column": "other", "mostly": 0.97}, True),
        ("ExpectColumnValuesToNotBeNull", {"column": "other", "mostly": 0.99}, False),
        (
            "ExpectColumnQuantileValuesToBeBetween",
            {"column": "number", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[90, 110]]}},
            True,
        ),
        ("ExpectColumnValuesToBeInSet", {"column": "code", "value_set": ["a", "b"]}, True),
        ("ExpectCorrelationToBeBetween", {"columns": ["number", "other"], "min_value": 0.9}, True),
        ("ExpectCorrelationToBeBetween", {"columns": ["number", "other"], "max_value": 0.5}, False),
        ("ExpectColumnToBeFresh", {"column": "when", "max_age_hours": 6}, True),
        ("ExpectColumnToBeFresh", {"column": "when", "max_age_hours": 4}, False),
        ("ExpectColumnValuesToBeKnown", {"column": "code", "path": codes, "known_column": "known", "share": 0.5}, True),
        ("ExpectColumnValuesToBeKnown", {"column": "code", "path": codes, "known_column": "known"}, False),
    ]
    made = contract(*((name, arguments) for name, arguments, _ in expected))
    results = check_dataset(pl.scan_parquet(rows), 2_000, made, tmp_path / "docs")
    assert [result.success for result in results] == [success for _, _, success in expected]
    index = (tmp_path / "docs" / "index.html").read_text()
    pages = {page.relative_to(tmp_path / "docs"): page.read_text() for page in (tmp_path / "docs").rglob("*.html")}
    assert len(pages) > 2
    for page, text in pages.items():
        fetched = re.findall(r"""<(?:script|link|img|iframe)\b[^>]*(?:src|href)\s*=\s*["'](?:https?:)?//[^>]*>""", text)
        assert fetched == [], page
        assert "<script" not in text
        if page.name != "index.html":
            assert f'href="{page}"' in index


def test_above_the_sample_counts_are_still_of_all_rows(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "SAMPLE", 300)
    results = check_dataset(
        pl.scan_parquet(rows),
        2_000,
        contract(
            ("ExpectTableRowCountToBeBetween", {"min_value": 2_000, "max_value": 2_000}),
            ("ExpectColumnValuesToBeUnique", {"column": "number"}),
            ("ExpectColumnMeanToBeBetween", {"column": "number", "min_value": 90, "max_value": 110}),
        ),
        docs=None,
    )
    assert all(result.success for result in results)
    assert [result.basis for result in results] == [
        "all rows, by Polars",
        "all rows, by Polars",
        "every 7th row: 286 of 2,000",
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ExpectColumnMeanToBeBetween", {"column": "nmber"}, "names 'nmber', which is no field of Row"),
        ("ExpectMiracles", {}, "Great Expectations has no 'ExpectMiracles'"),
        ("ExpectColumnToBeFresh", {"column": "when"}, "needs the argument 'max_age_hours'"),
        ("ExpectColumnMeanToBeBetween", {"column": "number", "lowest": 3}, "refuses its arguments"),
    ],
)
def test_an_expectation_declared_wrongly_says_why(
    name: str, arguments: dict[str, Any], message: str, rows: Path
) -> None:
    with pytest.raises(TypeError, match=message):
        check_dataset(pl.scan_parquet(rows), 2_000, contract((name, arguments)), docs=None)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        (
            "ExpectCorrelationToBeBetween",
            {"columns": ["number"], "min_value": 0},
            "'columns' takes a list of two fields",
        ),
        ("ExpectCorrelationToBeBetween", {"columns": ["number", "code"], "min_value": 0}, "numbers ('code' is none)"),
        ("ExpectCorrelationToBeBetween", {"columns": ["number", "other"]}, "'min_value': a number from -1 to 1"),
        ("ExpectColumnToBeFresh", {"column": "code", "max_age_hours": 1}, "datetime or a date ('code' is a string)"),
        ("ExpectColumnToBeFresh", {"column": "when", "max_age_hours": "1"}, "'max_age_hours' takes a number of hours"),
        ("ExpectColumnToBeFresh", {"column": "when", "hours": 1}, "has no argument 'hours'"),
        ("ExpectColumnValuesToBeKnown", {"column": "code", "known_column": "x"}, "'path': the path of a Parquet file"),
        (QUANTILES, {"column": "code", "quantile_ranges": {}}, "field that is a number ('code' is a string)"),
        (QUANTILES, {"column": "when", "quantile_ranges": {}}, "field that is a number ('when' is a datetime)"),
        (QUANTILES, quantiles([0.1, 0.5], [[1, 2]]), "'quantile_ranges' takes {quantiles: [shares from 0 to 1]"),
        (QUANTILES, quantiles([1.5], [[1, 2]]), "'quantile_ranges' takes {quantiles: [shares from 0 to 1]"),
        (QUANTILES, quantiles([0.5], [["a", 2]]), "'quantile_ranges' takes {quantiles: [shares from 0 to 1]"),
        ("ExpectTableColumnCountToEqual", {"value": "two"}, "'value' takes a number of columns, not 'two'"),
        ("ExpectTableColumnsToMatchSet", {"column_set": 5}, "'column_set' takes a list of names, not 5"),
    ],
)
def test_arguments_are_refused_in_one_line_when_a_contract_is_declared(
    name: str, arguments: dict[str, Any], told: str
) -> None:
    class Wrong(Row):
        expectations = (Expectation(expectation=name, arguments=arguments),)

    with pytest.raises(TypeError, match=re.escape(told)) as refused:
        Wrong.spec()
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("Expectation", {}, "Great Expectations has no 'Expectation'"),
        ("__class__", {}, "Great Expectations has no '__class__'"),
        ("ExpectColumnMeanToBeBetween", {}, "refuses its arguments: 'column': field required"),
        ("ExpectColumnMeanToBeBetween", {"column": "number", "min_value": "a"}, "not a valid float.*\\(got 'a'\\)"),
        ("ExpectColumnValuesToBeKnown", {"column": "number", "path": "CODES", "known_column": "known"}, "has String"),
        ("ExpectColumnValuesToBeKnown", {"column": "code", "path": "NONE", "known_column": "known"}, "cannot be read"),
    ],
)
def test_what_only_the_rows_can_tell_is_refused_in_one_line_too(
    name: str, arguments: dict[str, Any], told: str, rows: Path
) -> None:
    places = {"CODES": str(rows.with_name("codes.parquet")), "NONE": str(rows.with_name("none.parquet"))}
    given = {key: places.get(value, value) for key, value in arguments.items()}
    with pytest.raises(TypeError, match=told) as refused:
        check_dataset(pl.scan_parquet(rows), 2_000, contract((name, given)), docs=None)
    assert "\n" not in str(refused.value)


def test_columns_of_conditions_and_of_the_table_are_all_seen(rows: Path) -> None:
    names = [field.name for field in Row.spec().fields]
    expected = [
        (BETWEEN, {"column": "number", "max_value": 199.8, "row_condition": 'code=="a"', "condition_parser": "pandas"}),
        ("ExpectTableColumnCountToEqual", {"value": 5}),
        ("ExpectTableColumnCountToBeBetween", {"min_value": 5, "max_value": 9}),
        ("ExpectTableColumnsToMatchSet", {"column_set": [*names]}),
        ("ExpectTableColumnsToMatchSet", {"column_set": ["code"], "exact_match": False}),
        ("ExpectTableColumnsToMatchOrderedList", {"column_list": names}),
        ("ExpectColumnToExist", {"column": "late", "column_index": 4}),
    ]
    results = check_dataset(pl.scan_parquet(rows), 2_000, contract(*expected), docs=None)
    assert [result.success for result in results] == [True] * len(expected), results
    broken = [
        ("ExpectTableColumnCountToEqual", {"value": 4}),
        ("ExpectTableColumnsToMatchSet", {"column_set": ["code", "gone"]}),
        ("ExpectTableColumnsToMatchOrderedList", {"column_list": names[::-1]}),
        ("ExpectColumnToExist", {"column": "late", "column_index": 0}),
    ]
    results = check_dataset(pl.scan_parquet(rows), 2_000, contract(*broken), docs=None)
    assert [(result.success, result.observed) for result in results] == [
        (False, "5"),
        (False, "5"),
        (False, "4"),
        (False, "0"),
    ]


def test_what_great_expectations_stumbles_over_is_told(rows: Path) -> None:
    (result,) = check_dataset(
        pl.scan_parquet(rows), 2_000, contract((BETWEEN, {"column": "code", "min_value": 0})), docs=None
    )
    assert not result.success
    assert result.observed.startswith("nothing, it could not be judged: ")
    assert "\n" not in result.observed


def test_two_questions_about_the_same_column_are_both_asked(rows: Path) -> None:
    asked = [(QUANTILES, quantiles([0.5], [[0, 500]], "number")), (QUANTILES, quantiles([0.5], [[0, 1]], "number"))]
    results = check_dataset(pl.scan_parquet(rows), 2_000, contract(*asked), docs=None)
    assert [result.success for result in results] == [True, False]


def test_known_values_of_a_wider_type_are_compared_by_value(tmp_path: Path) -> None:
    pl.DataFrame({"number": [1.0, 2.0, 2.5]}).write_parquet(tmp_path / "rows.parquet")
    pl.DataFrame({"whole": [1, 2]}).write_parquet(tmp_path / "known.parquet")
    given = {"column": "number", "path": str(tmp_path / "known.parquet"), "known_column": "whole"}
    made = contract(("ExpectColumnValuesToBeKnown", given))
    (result,) = check_dataset(pl.scan_parquet(tmp_path / "rows.parquet"), 3, made, docs=None)
    assert result.observed == "0.666667"
