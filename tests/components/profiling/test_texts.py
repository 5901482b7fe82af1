"""What a column of texts is taken for."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.profiling.texts import understand


@pytest.mark.parametrize(
    ("texts", "kind", "form"),
    [
        (["1", "2", "-3"], "integer", None),
        (["1.5", "2", "NA"], "number", None),
        (["true", "FALSE", None], "boolean", None),
        (["0012", "0400", "1234"], "string", None),
        (["2012-01-31", "2013-02-01"], "date", None),
        (["2012/01/31", "2013/02/01"], "date", "%Y/%m/%d"),
        (["31.01.2012", "01.02.2013"], "date", "%d.%m.%Y"),
        (["01/31/2012", "02/01/2013"], "date", "%m/%d/%Y"),
        (["31/01/2012", "01/02/2013"], "date", "%d/%m/%Y"),
        (["2012-01-31 08:30:00", "2013-02-01T01:02:03Z"], "datetime", None),
        (["31.01.2012 08:30", "01.02.2013 09:15"], "datetime", "%d.%m.%Y %H:%M"),
        (["red", "green", "NA"], "string", None),
        (["", None], "string", None),
    ],
)
def test_a_column_is_what_its_texts_are(texts: list[str | None], kind: str, form: str | None) -> None:
    found = understand(pl.Series(texts, dtype=pl.String))
    assert (found.kind, found.form) == (kind, form)


def test_what_stands_for_nothing_among_numbers_is_a_gap_and_among_words_a_word() -> None:
    assert understand(pl.Series(["1", "NA", "?", "-"])).gaps == ("-", "?", "NA")
    assert understand(pl.Series(["NA", "EU", "?"])).gaps == ("?",)


def test_decimal_commas_units_and_days_of_two_readings_are_told() -> None:
    assert understand(pl.Series(["1,5", "1.200,25", "3"])).decimal_comma
    assert "unit (kg)" in understand(pl.Series([f"{n} kg" for n in range(20)])).notes[0]
    assert "thousands" in understand(pl.Series(["1,200", "13,400"])).notes[0]
    assert "reads every value as well" in understand(pl.Series(["01/02/2012", "03/04/2012"])).notes[0]


@settings(deadline=None)
@given(st.lists(st.text(max_size=8) | st.none(), max_size=30))
def test_any_texts_are_understood_as_something(texts: list[str | None]) -> None:
    assert understand(pl.Series(texts, dtype=pl.String)).kind
