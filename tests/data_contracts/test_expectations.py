"""Expectations about a data set as a whole, judged by Great Expectations."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data_contracts import validation
from data_contracts.contract import Contract, column
from data_contracts.spec import ContractSpec, Expectation
from data_contracts.validation import check_dataset


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
    assert (tmp_path / "docs" / "index.html").is_file()


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
