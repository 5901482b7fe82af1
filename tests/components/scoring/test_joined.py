"""Columns copied from one Parquet file beside those of another are what every reader finds in the whole."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.artefacts.errors import SourceError
from components.scoring import joined
from components.scoring.footer import read_footer
from components.scoring.joined import JoinedWriter, StoredColumns, stored_columns
from components.scoring.thrift import BINARY, I64, Struct, read_struct, write_struct

ROWS = pl.DataFrame(
    {
        "nested": [[{"x": 1, "y": ["a"]}], None, [], [{"x": None, "y": None}]] * 25,
        "text": ["a", None, "", "日本"] * 25,
        "number": [1.5, None, float("nan"), -0.0] * 25,
        "pair": [{"left": 1, "right": 2}] * 100,
        "count": [2**62, None, 0, -1] * 25,
        "moment": [dt.datetime(1999, 12, 31, 23, 59, 59, 1), None, dt.datetime(1, 1, 1), dt.datetime(9999, 1, 1)] * 25,
        "flag": [True, None, False, True] * 25,
    }
)
WANTED = ["moment", "count", "text", "flag", "number"]
ANSWERS = pl.DataFrame(
    {
        "probability": pl.Series([0.25, None] * 50, dtype=pl.Float32),
        "reasons": pl.Series([None, ["too early", "too late"]] * 50, dtype=pl.List(pl.String)),
    }
)


def columns_of(file: Path, names: list[str]) -> StoredColumns | None:
    """Return columns of a file to be copied."""
    footer = read_footer(file)
    return footer and stored_columns(file, footer, names)


def join(source: Path, target: Path, cuts: list[int]) -> None:
    """Write the answers in pieces beside the wanted columns."""
    stored = columns_of(source, WANTED)
    assert stored is not None
    answers = ANSWERS.to_arrow()
    writer = JoinedWriter(target, answers.schema, stored)
    for begin, end in zip([0, *cuts], [*cuts, len(ANSWERS)], strict=True):
        writer.write_table(answers.slice(begin, end - begin))
    writer.close()


def chunk_of(told: pq.FileMetaData, name: str) -> pq.ColumnChunkMetaData:
    """Return the first chunk of a column that is not nested."""
    chunks = [told.row_group(0).column(place) for place in range(told.num_columns)]
    return next(chunk for chunk in chunks if chunk.path_in_schema == name)


WRITERS: list[dict[str, Any]] = [
    {},
    {"compression": "none", "use_dictionary": False},
    {"compression": "zstd", "data_page_version": "2.0", "write_page_index": True},
    {"compression": "gzip", "write_statistics": False, "data_page_size": 64},
    {"version": "1.0", "flavor": "spark", "use_deprecated_int96_timestamps": False},
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    options=st.sampled_from(WRITERS),
    group=st.integers(1, 120),
    cuts=st.lists(st.integers(0, 100), max_size=5).map(sorted),
)
def test_every_reader_finds_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], group: int, cuts: list[int]
) -> None:
    monkeypatch.setattr(joined, "LEAST_GROUP_ROWS", 1)
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(ROWS.to_arrow(), source, row_group_size=group, **options)
    join(source, target, cuts)
    whole = pl.concat([ROWS.select(WANTED), ANSWERS], how="horizontal")
    polars.testing.assert_frame_equal(pl.read_parquet(target), whole)
    polars.testing.assert_frame_equal(pl.DataFrame(pq.read_table(target)), whole)
    # What a reader skips rows by still says the same.
    late = pl.col("moment") > dt.datetime(5000, 1, 1)
    polars.testing.assert_frame_equal(pl.scan_parquet(target).filter(late).collect(), whole.filter(late))
    told, found = pq.read_metadata(source), pq.read_metadata(target)
    assert found.num_row_groups == told.num_row_groups
    for place, name in enumerate(WANTED):
        before, after = chunk_of(told, name), found.row_group(0).column(place)
        assert after.path_in_schema == name
        assert repr(before.statistics and before.statistics.to_dict()) == repr(
            after.statistics and after.statistics.to_dict()
        )


def test_what_polars_wrote_is_copied_too(tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    ROWS.write_parquet(source)
    join(source, target, [])
    whole = pl.concat([ROWS.select(WANTED), ANSWERS], how="horizontal")
    polars.testing.assert_frame_equal(pl.read_parquet(target), whole)
    content, copied = source.read_bytes(), target.read_bytes()
    chunk = chunk_of(pq.read_metadata(source), "text")
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    assert content[begin : begin + chunk.total_compressed_size] in copied


def test_a_source_that_changes_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    ROWS.write_parquet(source)
    stored = columns_of(source, WANTED)
    assert stored is not None
    writer = JoinedWriter(tmp_path / "out.parquet", ANSWERS.to_arrow().schema, stored)
    with source.open("r+b") as opened:
        opened.truncate(100)
    with pytest.raises(SourceError, match="changed while it was read"):
        writer.write_table(ANSWERS.to_arrow())
    with pytest.raises(SourceError, match="changed while it was read"):
        writer.close()


@pytest.mark.parametrize("kind", ["no Parquet", "column absent", "nested", "no rows", "tiny groups", "huge groups"])
def test_what_cannot_be_copied_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    source = tmp_path / "in.parquet"
    ROWS.head(0 if kind == "no rows" else 100).write_parquet(source, row_group_size=7 if kind == "tiny groups" else 100)
    if kind == "no Parquet":
        source.write_bytes(b"a,b\n1,2\n")
    if kind == "huge groups":
        monkeypatch.setattr(joined, "MOST_GROUP_ROWS", 99)
    names = {"column absent": ["text", "none"], "nested": ["text", "pair"]}.get(kind, WANTED)
    assert columns_of(source, names) is None


def change_footer(file: Path, change: Callable[[Struct], None]) -> None:
    """Write another footer behind the pages of a Parquet file."""
    content = file.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer = read_struct(content[-8 - length : -8])
    change(footer)
    made = write_struct(footer)
    file.write_bytes(content[: -8 - length] + made + len(made).to_bytes(4, "little") + b"PAR1")


def converted_types_alone(footer: Struct) -> None:
    for element in footer.get(2).items:
        element.drop(10)


def strings_by_metadata_alone(footer: Struct) -> None:
    for element in footer.get(2).items:
        element.drop(6, 10)


def written_long_ago(footer: Struct) -> None:
    footer.put(6, BINARY, b"parquet-mr version 1.2.8 (build 1234)")


def dictionaries_at_nowhere(footer: Struct) -> None:
    for chunk in footer.get(4).items[0].get(1).items:
        chunk.get(3).put(11, I64, 0)


def fewer_rows_than_values(footer: Struct) -> None:
    group = footer.get(4).items[0]
    group.put(3, I64, group.get(3) - 5)


def pages_in_another_file(footer: Struct) -> None:
    for chunk in footer.get(4).items[0].get(1).items:
        chunk.put(1, BINARY, b"other.parquet")


def an_unknown_field(footer: Struct) -> None:
    footer.put(99, BINARY, b"of a later version")


@pytest.mark.parametrize(
    "change",
    [
        converted_types_alone,
        strings_by_metadata_alone,
        written_long_ago,
        dictionaries_at_nowhere,
        fewer_rows_than_values,
        pages_in_another_file,
    ],
)
def test_a_footer_that_readers_differ_on_is_not_copied(tmp_path: Path, change: Callable[[Struct], None]) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(ROWS.to_arrow(), source)
    change_footer(source, an_unknown_field)
    assert columns_of(source, WANTED) is not None
    change_footer(source, change)
    assert columns_of(source, WANTED) is None


def test_rows_that_never_came_leave_no_footer(tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    ROWS.write_parquet(source)
    stored = columns_of(source, WANTED)
    assert stored is not None
    writer = JoinedWriter(target, ANSWERS.to_arrow().schema, stored)
    writer.write_table(ANSWERS.head(99).to_arrow())
    writer.close()
    with pytest.raises(pa.ArrowInvalid):
        pq.read_metadata(target)
