"""What is wrong with the form of a text file is told with its line; what only looks wrong is read."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artefacts.errors import ContractError, SourceError
from components.data.sources.csv_files import find_short_row
from components.data.sources.json_lines import HEAD
from components.data.sources.snapshots import take_snapshot
from components.data.sources.unpacking import Located
from components.declaration.source import Source
from components.settings import Home
from data_contracts.contract import Contract, column

ROWS = [f"{index},x{index},{index}.5,true" for index in range(200)]


class Simple(Contract):
    """All but the label may be missing."""

    a: int | None = column("a")
    b: str | None = column("b")
    c: float | None = column("c")
    y: bool = column("label", roles=("label",), available="after")


class Loose(Contract):
    """The last column may be missing, too."""

    y: bool = column("label", roles=("label",), available="after")
    a: int | None = column("a")
    b: str | None = column("b")


def read(data: str | bytes, folder: Path, name: str, contract: type[Contract] = Simple) -> pl.DataFrame:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    taken = take_snapshot(Source(path=str(path)), contract.spec(), Home(folder / "home"))
    return pl.read_parquet(taken.path)


def table(*, change: dict[int, str]) -> str:
    rows = [change.get(index, row) for index, row in enumerate(ROWS)]
    return "\n".join(["a,b,c,y", *rows, ""])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (table(change={50: "50,x,50.5,true,9"}), r"line 52 has 5 values, the header 4: put a value that holds the sep"),
        (table(change={50: "50,x"}), "line 52 has 2 values, the header 4: a row that ends early is broken"),
        (table(change={199: "5"}), "line 201 has 1 value, the header 4"),
        (table(change={50: '50,"x50,50.5,true'}), r'line 52: a quote sign \("\) opens a value that does not end'),
        (table(change={50: '50,"x"50,50.5,true'}), "line 52: a value goes on behind the quote sign"),
        (table(change={50: '50,x5"0,50.5,true'}), "line 52 has a quote sign inside a value that is not in quotes"),
        (table(change={50: '"5\n0",x\n'}), "line 52 has 2 values, the header 4"),
        (table(change={}).encode() + b"1,\xe9,1,true\n", r"line 202 is not UTF-8 \(byte 0xe9\): convert the file"),
        (table(change={}).replace("\n", "\r"), "lines end in CR alone, as on an old Macintosh: convert the line ends"),
        (table(change={50: "50,x,1,true\r51,x,1,true"}), "line 52: a carriage return stands inside the line"),
        ("# exported 2024\n" + table(change={}), "the header is in line 2, not in the first: remove the lines above"),
        ("Report;2024\n\n" + table(change={}), "the header is in line 3, not in the first"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_told_with_its_line(data: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"source {tmp_path}/rows.csv[:]? .*{message}"):
        read(data, tmp_path, "rows.csv")
    assert not any((tmp_path / "home" / "snapshots").iterdir())


def test_a_row_that_ends_early_is_broken_also_where_what_it_lacks_may_be_missing(tmp_path: Path) -> None:
    good = ["y,a,b", "true,1,x", "true,2,", 'false,,"two\nlines, and ""quotes"""', "true,,", ""]
    assert read("\n".join(good), tmp_path, "rows.csv", Loose).height == 4
    with pytest.raises(SourceError, match="line 7 has 2 values, the header 3"):
        read("\n".join([*good[:-1], "true,3", *good[1:]]), tmp_path, "rows.csv", Loose)


def test_a_separator_behind_the_last_name_asks_for_no_value(tmp_path: Path) -> None:
    assert read("y,a,b,\ntrue,1,x\nfalse,2,,\n", tmp_path, "rows.csv", Loose).height == 2
    with pytest.raises(SourceError, match="line 3 has 2 values"):
        read("y,a,b,\ntrue,1,x\nfalse,2\n", tmp_path, "rows.csv", Loose)


@pytest.mark.parametrize("separator", ["§", '"', "\n"])
def test_a_separator_that_cannot_be_one_is_refused(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(table(change={}).replace(",", separator))
    with pytest.raises(SourceError, match=r"source.separator .* separates nothing: it must be one character of ASCII"):
        take_snapshot(Source(path=str(path), separator=separator), Simple.spec(), Home(tmp_path / "home"))


TEXTS = st.text(st.sampled_from('ab ,"\n\u00e4'), max_size=6)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=12), data=st.data())
@settings(max_examples=150, deadline=None)
def test_exactly_rows_that_lost_their_end_are_found(
    rows: list[tuple[str, str, str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def written(table: list[tuple[str, ...]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("a", "b", "c"), *table])
        return text.getvalue().encode()

    path = tmp_path_factory.getbasetemp() / "rows.csv"
    path.write_bytes(written([*rows]))
    assert find_short_row(Located(path, "rows.csv"), Source(path=str(path))) is None
    cut = data.draw(st.integers(0, len(rows) - 1))
    broken: list[tuple[str, ...]] = [*rows]
    broken[cut] = ("left", broken[cut][1])
    path.write_bytes(written(broken))
    line = written([*rows[:cut]]).count(b"\n") + 1
    told = find_short_row(Located(path, "rows.csv"), Source(path=str(path)))
    assert told is not None
    assert f"line {line} has 2 values, the header 3" in told


def lines(*objects: object) -> bytes:
    return "".join(f"{json.dumps(item)}\n" for item in objects).encode()


GOOD = [{"a": index, "b": f"x{index}", "c": 0.5, "y": True} for index in range(50)]
LONG = [{"a": index, "b": "x" * 1_000, "y": True} for index in range(HEAD // 1_000 + 500)]


def test_a_key_that_a_line_lacks_is_null(tmp_path: Path) -> None:
    assert read(lines({"y": True}, *GOOD), tmp_path, "rows.jsonl")["a"].to_list()[:2] == [None, 0]
    assert read(lines(*LONG), tmp_path, "rows.jsonl")["c"].null_count() == len(LONG)
    assert read(lines(*LONG, *GOOD), tmp_path, "rows.jsonl")["c"].count() == 50
    # However long the first line is, and wherever a key is first seen.
    assert read(lines({"b": "x" * 3 * HEAD, "y": True}, *GOOD), tmp_path, "rows.jsonl").height == 51
    late = [{"b": line["b"]} for line in LONG]
    assert read(lines(*late, *GOOD), tmp_path, "rows.jsonl")["y"].count() == 50


def test_a_key_that_is_required_and_never_there_is_told(tmp_path: Path) -> None:
    for data in (lines({"a": 1, "b": "x"}), lines(*({"a": line["a"], "b": line["b"]} for line in LONG))):
        with pytest.raises(ContractError, match=r"rows.jsonl has no column 'y'; it has: a, b\. Rename"):
            read(data, tmp_path, "rows.jsonl")
    # So is one that may be missing and stands there under another name.
    with pytest.raises(ContractError, match=r"no column 'a' \(did 'A' mean this\?\)"):
        read(lines({"A": 1, "y": True}), tmp_path, "rows.jsonl")


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b'{"a": 1, "b": \n', "is not a JSON object: "),
        (b"[1, 2]\n", "is not a JSON object: Expected `object`, got `array`"),
        (b'{"b": "\xff", "y": true}\n', r"is not UTF-8 \(byte 0xff\): convert the file"),
    ],
)
def test_the_line_that_is_no_json_object_is_named_wherever_it_is(tail: bytes, message: str, tmp_path: Path) -> None:
    for head in (GOOD, LONG):
        with pytest.raises(SourceError, match=f"source {tmp_path}/rows.jsonl: line {len(head) + 1} {message}"):
            read(lines(*head) + tail + lines(*GOOD), tmp_path, "rows.jsonl")


def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    assert read(mark + lines(*GOOD), tmp_path, "rows.jsonl").equals(read(lines(*GOOD), tmp_path, "plain.jsonl"))
    assert read(mark + table(change={}).encode(), tmp_path, "rows.csv").height == 200


def test_an_integer_that_was_a_float_too_large_to_be_certain_is_told(tmp_path: Path) -> None:
    exact = [{"a": 2**53 + 1, "y": True}, {"a": 1e3, "b": "9e99", "c": 9e99, "y": True}]
    assert read(lines(*exact), tmp_path, "rows.jsonl")["a"].to_list() == [2**53 + 1, 1_000]
    for number in ("9007199254740993.0", "9.007199254740993E15", "-9007199254740993.5"):
        with pytest.raises(SourceError, match=r"line 3: 'a' is .*, a float too large to be a certain integer"):
            read(lines(*exact) + b'{"a": %s, "y": true}\n' % number.encode(), tmp_path, "rows.jsonl")


def test_a_number_that_is_too_long_is_told_with_its_line(tmp_path: Path) -> None:
    for digits in (400, 6_000):
        with pytest.raises(
            SourceError, match=r"line 51.* 'a' is a number of more than 308 digits|line 51 is not a JSON"
        ):
            read(lines(*GOOD) + b'{"a": %s, "y": true}\n' % (b"1" * digits), tmp_path, "rows.jsonl")
