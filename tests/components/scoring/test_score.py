"""A file is scored whole or not at all: every row has its key, and its answer or the reasons that it has none."""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from components.artefacts.build import Build, open_build
from components.artefacts.errors import ContractError, HostError, SourceError
from components.artefacts.inference import inference_of
from components.declaration.source import Source
from components.kinds.tabular.bulk import BulkPredictor
from components.scoring.score import score_file
from components.user_modules import child_environment
from tests.deployments.small_build import Sample, draw_sample, write_build


@pytest.fixture(scope="module")
def sample() -> Sample:
    return draw_sample()


@pytest.fixture(scope="module")
def build(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return open_build(write_build(sample, tmp_path_factory.mktemp("builds") / "build"))


@pytest.fixture
def source(sample: Sample, tmp_path: Path) -> Path:
    """A file of 1,000 rows, every tenth of which breaks the contract."""
    rows = sample.frame.select([field.name for field in sample.contract.inputs]).head(1_000)
    tenth = pl.int_range(pl.len()) % 10 == 3
    path = tmp_path / "in.parquet"
    rows.with_columns(pl.when(tenth).then(-1.0).otherwise("distance").alias("distance")).write_parquet(path)
    return path


def test_a_file_is_not_scored_into_itself_whatever_it_is_called(build: Build, source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    (tmp_path / "link.parquet").symlink_to(source)
    for target in (source, tmp_path / "link.parquet"):
        with pytest.raises(SourceError, match="is the file that is to be scored"):
            score_file(build, source, target)
    assert source.read_bytes() == before


def test_every_answer_has_its_key(build: Build, source: Path, tmp_path: Path) -> None:
    """The row's number, or a column of the file as it stands there, whether the contract knows it or not."""
    whole = score_file(build, source, tmp_path / "whole.parquet")
    assert (whole.rows, whole.refused, whole.refusals) == (1_000, 100, {"distance: not above 0": 100})
    known = pl.read_parquet(whole.target)
    assert known.columns == ["row", "probability", "late", "reasons"]
    assert known["row"].to_list() == list(range(1_000))
    names = pl.format("order-{}", pl.int_range(1_000, 0, -1)).alias("order")
    pl.read_parquet(source).with_columns(names).write_parquet(source)
    for key in ("order", "carrier"):
        scored = score_file(build, source, tmp_path / f"{key}.parquet", key=key)
        assert scored.left_out == (() if key == "order" else ("order",))
        answers = pl.read_parquet(scored.target)
        assert answers[key].equals(pl.read_parquet(source)[key])
        assert answers.drop(key).equals(known.drop("row"))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".parquet"] * 4


@pytest.mark.parametrize("key", ["order", "late", "reasons"])
def test_a_key_that_is_not_there_or_has_the_name_of_an_answer_is_refused(
    build: Build, source: Path, tmp_path: Path, key: str
) -> None:
    pl.read_parquet(source).with_columns(late=pl.lit(True), reasons=pl.lit("none")).write_parquet(source)
    message = r"no column 'order' to be the key; it has: .*carrier" if key == "order" else f"column '{key}' twice"
    with pytest.raises(SourceError, match=message):
        score_file(build, source, tmp_path / "out.parquet", key=key)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_the_key_of_a_text_file_is_the_text_that_stands_there(
    build: Build, source: Path, tmp_path: Path, ending: str
) -> None:
    rows = pl.read_parquet(source).with_columns(pl.int_range(pl.len()).cast(pl.String).str.zfill(5).alias("order"))
    file = tmp_path / f"in.{ending}"
    rows.write_csv(file) if ending == "csv" else rows.with_columns(
        pl.selectors.temporal().cast(pl.String)
    ).write_ndjson(file)
    scored = score_file(build, file, tmp_path / "out.csv", key="order")
    assert pl.read_csv(scored.target, infer_schema=False)["order"].equals(rows["order"])
    with pytest.raises((SourceError, ContractError), match=r"no column '?nothing"):
        score_file(build, file, tmp_path / "out.csv", key="nothing")


def test_the_inputs_stand_beside_the_answers_if_they_are_wanted(build: Build, source: Path, tmp_path: Path) -> None:
    answers = pl.read_parquet(score_file(build, source, tmp_path / "answers.parquet").target)
    beside = pl.read_parquet(score_file(build, source, tmp_path / "whole.parquet", with_inputs=True).target)
    inputs = pl.read_parquet(source)
    assert beside.columns == ["row", *inputs.columns, "probability", "late", "reasons"]
    assert beside.select(inputs.columns).equals(inputs)
    assert beside.select(answers.columns).equals(answers)
    keyed = score_file(build, source, tmp_path / "keyed.parquet", key="carrier", with_inputs=True)
    assert sorted(pl.read_parquet_schema(keyed.target)) == sorted(set(beside.columns) - {"row"})


def test_a_larger_file_is_answered_alike_in_the_order_of_its_rows(build: Build, source: Path, tmp_path: Path) -> None:
    """Many parts, on several threads."""
    once = pl.read_parquet(score_file(build, source, tmp_path / "once.parquet").target)
    pl.concat([pl.read_parquet(source)] * 300).write_parquet(source, row_group_size=20_000)
    scored = score_file(build, source, tmp_path / "out.parquet")
    assert (scored.rows, scored.refused, scored.refusals) == (300_000, 30_000, {"distance: not above 0": 30_000})
    found = pl.read_parquet(scored.target)
    assert found["row"].to_list() == list(range(300_000))
    expected = pl.concat([once] * 300)
    # A row's answer may differ in its last bit with the number of rows it is computed with.
    assert (found["probability"] - expected["probability"]).abs().max() < 1e-6
    assert found["reasons"].equals(expected["reasons"])


def test_a_file_without_rows_or_without_end_leaves_nothing(build: Build, source: Path, tmp_path: Path) -> None:
    pl.read_parquet(source).head(0).write_parquet(source)
    with pytest.raises(SourceError, match="no rows to score"):
        score_file(build, source, tmp_path / "out.parquet")
    with pytest.raises(SourceError, match="does not exist"):
        score_file(build, tmp_path / "nothing.parquet", tmp_path / "out.parquet")
    source.write_bytes(b"PAR1 cut off")
    with pytest.raises(SourceError):
        score_file(build, source, tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_every_format_holds_the_same(build: Build, source: Path, tmp_path: Path, ending: str) -> None:
    known = pl.read_parquet(score_file(build, source, tmp_path / "known.parquet", with_inputs=True).target)
    target = score_file(build, source, tmp_path / f"out.{ending}", with_inputs=True).target
    readers = {"parquet": pl.read_parquet, "csv": pl.read_csv, "arrow": pl.read_ipc}
    found = readers[ending](target)
    assert found.columns == known.columns
    assert found["carrier"].equals(known["carrier"])
    assert found["probability"].null_count() == 100
    assert (found["probability"].cast(pl.Float32) - known["probability"]).abs().max() < 1e-6
    reasons = known["reasons"].list.join("; ") if ending == "csv" else known["reasons"]
    assert found["reasons"].equals(reasons)
    assert found.select("carrier", "reasons").schema == known.with_columns(reasons).select("carrier", "reasons").schema


@pytest.mark.parametrize("kind", ["small row groups", "narrow numbers", "delta", "csv", "arrow"])
def test_whatever_holds_the_rows_they_are_answered_alike(build: Build, source: Path, tmp_path: Path, kind: str) -> None:
    known = pl.read_parquet(score_file(build, source, tmp_path / "known.parquet").target)
    rows = pl.read_parquet(source)
    other = tmp_path / {"csv": "other.csv", "arrow": "other.arrow"}.get(kind, "other.parquet")
    if kind == "csv":
        rows.write_csv(other)
    elif kind == "arrow":
        rows.write_ipc(other)
    elif kind == "delta":
        # As some writers encode strings; pyarrow makes no dictionaries of them.
        texts = [name for name, dtype in rows.schema.items() if dtype == pl.String]
        encodings = dict.fromkeys(texts, "DELTA_BYTE_ARRAY")
        pq.write_table(rows.to_arrow(), other, use_dictionary=False, column_encoding=encodings)
    elif kind == "narrow numbers":
        rows.with_columns(pl.col(pl.Int64).cast(pl.Int32)).write_parquet(other)
    else:
        rows.write_parquet(other, row_group_size=37)
    assert pl.read_parquet(score_file(build, other, tmp_path / "out.parquet").target).equals(known)


def test_answers_are_those_of_the_graph(build: Build, source: Path, tmp_path: Path) -> None:
    scored = pl.read_parquet(score_file(build, source, tmp_path / "out.parquet", with_inputs=True).target)
    contract = build.contract()
    valid = scored.filter(pl.col("reasons").is_null())
    predictor = inference_of("tabular").open(build.parts(), contract)
    whole = predictor.predict(predictor.tensors(valid.select([field.name for field in contract.inputs]).rows()))
    np.testing.assert_array_equal(valid["probability"].to_numpy(), whole)


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_classes_are_texts_also_where_no_row_has_one(sample: Sample, tmp_path: Path, ending: str) -> None:
    shape = {"target": "multiclass", "label": "band", "classes": ["early", "late"], "weights": [1, 2]}
    build = open_build(write_build(sample, tmp_path / "build", answer=shape))
    rows = sample.frame.select([field.name for field in sample.contract.inputs]).head(20)
    read: dict[str, Any] = {"parquet": pl.read_parquet, "csv": pl.read_csv, "arrow": pl.read_ipc}
    for distance, known in ((pl.col("distance"), {"early", "late"}), (pl.lit(-1.0), set())):
        rows.with_columns(distance.alias("distance")).write_parquet(tmp_path / "in.parquet")
        scored = score_file(build, tmp_path / "in.parquet", tmp_path / f"out.{ending}")
        classes = read[ending](scored.target)["band"]
        assert classes.dtype == pl.String
        assert set(classes.drop_nulls()) <= known


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("target", ["binary", "regression"])
def test_a_row_without_a_finite_answer_has_none_and_a_reason(
    sample: Sample, tmp_path: Path, ending: str, target: str
) -> None:
    free = [
        msgspec.structs.replace(field, le=None) if field.name == "distance" else field
        for field in sample.contract.fields
    ]
    unbounded = replace(sample, contract=msgspec.structs.replace(sample.contract, fields=tuple(free)))
    shape = {"target": "regression", "label": "air_time", "buckets": [0.1], "quantiles": [0.1]}
    given = {"operator": "Identity", "answer": shape} if target == "regression" else {}
    build = open_build(write_build(unbounded, tmp_path / "build", **given))
    rows = sample.frame.select([field.name for field in sample.contract.inputs]).head(20)
    large, wrong = pl.int_range(pl.len()) == 3, pl.int_range(pl.len()) == 5
    distance = pl.when(large).then(1e45).when(wrong).then(-1.0).otherwise("distance")
    rows.with_columns(distance.alias("distance")).write_parquet(tmp_path / "in.parquet")
    scored = score_file(build, tmp_path / "in.parquet", tmp_path / f"out{ending}")
    readers: dict[str, Any] = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".arrow": pl.read_ipc}
    found = readers[ending](scored.target)
    answers = found[build.serving().answer.columns[0]]
    if target == "binary":
        # A sigmoid of infinity is a probability.
        assert (scored.refused, answers.null_count()) == (1, 1)
        return
    assert scored.refusals == {"distance: not above 0": 1, "the model has no finite answer to this row": 1}
    assert [place for place, value in enumerate(answers) if value is None] == [3, 5]
    assert answers.drop_nulls().is_finite().all()


def test_a_source_that_is_replaced_meanwhile_is_an_error(
    build: Build, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a nightly job does it: a whole new file under the same name, with the same rows in another order."""
    original = BulkPredictor.predict

    def replaced(self: BulkPredictor, rows: pa.RecordBatch) -> Any:
        pl.read_parquet(source).reverse().write_parquet(tmp_path / "new.parquet")
        (tmp_path / "new.parquet").replace(source)
        return original(self, rows)

    monkeypatch.setattr(BulkPredictor, "predict", replaced)
    with pytest.raises(SourceError, match=r"in\.parquet was changed while it was read"):
        score_file(build, source, tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_what_a_killed_run_left_behind_goes_and_nothing_else(build: Build, source: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from components.artefacts.storage import scratch_prefix; print(scratch_prefix('scored'))",
        ],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    left, others = tmp_path / f"{done.stdout.strip()}abc", tmp_path / ".scored.mine"
    for folder in (left, others):
        folder.mkdir()
    (left / "scored.parquet").write_text("half")
    score_file(build, source, tmp_path / "out.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".scored.mine", "in.parquet", "out.parquet"]


class _Keys(pe.KmsClient):
    """Keys that are no secret."""

    def __init__(self, _: object) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        return base64.b64decode(wrapped_key)


def write_encrypted(rows: pa.Table, file: Path) -> None:
    """Write a file whose footer can be read and one of whose columns cannot."""
    keys = pe.EncryptionConfiguration(footer_key="footer", column_keys={"column": ["carrier"]}, plaintext_footer=True)
    properties = pe.CryptoFactory(_Keys).file_encryption_properties(pe.KmsConnectionConfig(), keys)
    with pq.ParquetWriter(file, rows.schema, encryption_properties=properties) as writer:
        writer.write_table(rows)


@pytest.mark.parametrize("fault", ["column", "bytes", "name", "folder", "encrypted"])
def test_nothing_is_left_of_what_cannot_be_scored(build: Build, source: Path, tmp_path: Path, fault: str) -> None:
    """One clear error for a column that is missing, text that is none, a name that is too long, a folder as target."""
    target = tmp_path / ("x" * 300 + ".parquet" if fault == "name" else "out.parquet")
    rows = pl.read_parquet(source).to_arrow()
    if fault == "column":
        pq.write_table(rows.drop_columns(["carrier"]), source)
    if fault == "bytes":
        broken = pa.array([b"\xff\xfe"] * len(rows)).view(pa.string())
        pq.write_table(rows.set_column(rows.schema.get_field_index("carrier"), "carrier", broken), source)
    if fault == "folder":
        target.mkdir()
    if fault == "encrypted":
        write_encrypted(rows, source)
    expected = {
        "column": (ContractError, "no column 'carrier'"),
        "bytes": (SourceError, "cannot be read"),
        "name": (HostError, "cannot write .*name too long"),
        "folder": (SourceError, "it is a folder"),
        "encrypted": (SourceError, "cannot be read"),
    }
    kind, message = expected[fault]
    with pytest.raises(kind, match=message):
        score_file(build, source, target)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"in.parquet", "out.parquet"} if fault == "folder" else left == {"in.parquet"}


FULL = """
import resource, sys
from pathlib import Path
from components.artefacts.build import open_build
from components.artefacts.errors import SlipwayError
from components.scoring.score import score_file
# Nothing larger can be written, as on a disk that is full.
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
build, source, target = map(Path, sys.argv[1:])
try:
    score_file(open_build(build), source, target)
except SlipwayError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_a_full_disk_is_said_and_nothing_is_left(build: Build, source: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(build.path), str(source), str(target)],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"HostError cannot write {target}: File too large\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_text_file_is_read_as_the_source_is_written_and_nothing_is_dropped_without_a_word(
    build: Build, sample: Sample, tmp_path: Path
) -> None:
    rows = sample.frame.select([field.name for field in sample.contract.inputs]).head(20)
    first = next(field.name for field in sample.contract.inputs if field.dtype == "integer" and field.nullable)
    texts = rows.with_columns(pl.all().cast(pl.String).fill_null("NA"), order_id=pl.lit("x"), label=pl.lit("1"))
    texts = texts.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("many")).otherwise(first).alias(first))
    like = Source(path="rows.csv", separator=";", null_values=("NA",))
    for separator in (";", "\t", ","):
        texts.write_csv(tmp_path / "in.csv", separator=separator)
        scored = score_file(build, tmp_path / "in.csv", tmp_path / "out.parquet", like=like)
        assert (scored.rows, scored.refusals) == (20, {f"{first}: not an integer": 1})
        assert scored.left_out == ("order_id", "label")
        reasons = pl.read_parquet(tmp_path / "out.parquet")["reasons"]
        assert reasons[3].to_list() == [f"{first}: not an integer", f"{first} was 'many'"]
        assert reasons.null_count() == 19
    alike = score_file(build, tmp_path / "in.csv", tmp_path / "out.csv", like=like)
    assert f"{first} was 'many'" in alike.target.read_text()


def test_broken_rows_of_a_text_file_are_refused_with_their_line(build: Build, source: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(source).head(200)
    lines = rows.write_csv().splitlines()
    file = tmp_path / "in.csv"
    for place, line, message in (
        (150, "AA", "line 151 has 1 value,"),
        (20, lines[20] + ",1", r"line 21 has \d+ values"),
    ):
        file.write_text("\n".join([*lines[:place], line, *lines[place + 1 :]]) + "\n")
        with pytest.raises(SourceError, match=message):
            score_file(build, file, tmp_path / "out.parquet")
    whole = next(field.name for field in build.contract().inputs if field.dtype == "integer")
    objects = rows.with_columns(pl.selectors.temporal().cast(pl.String)).write_ndjson().splitlines()
    told = json.loads(objects[50]) | {whole: 9007199254740993.0}
    objects[50] = json.dumps(told)
    (tmp_path / "in.jsonl").write_text("\n".join(objects) + "\n")
    with pytest.raises(SourceError, match=rf"line 51: '{whole}' is .*, a float too large"):
        score_file(build, tmp_path / "in.jsonl", tmp_path / "out.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "in.jsonl", "in.parquet"]
