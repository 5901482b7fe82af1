"""A file is scored part by part: stopped anywhere it goes on, and the parts make the same whole."""

import base64
import errno
import itertools
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
from components.scoring.joined import JoinedWriter
from components.scoring.score import score_file
from components.scoring.work_folder import work_folder
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


def test_parts_make_the_same_whole(build: Build, source: Path, tmp_path: Path) -> None:
    whole = score_file(build, source, tmp_path / "whole.parquet")
    parted = score_file(build, source, tmp_path / "parted.parquet", part_rows=64)
    assert (whole.rows, whole.refused, whole.refusals) == (1_000, 100, {"distance: not above 0": 100})
    assert (parted.rows, parted.refusals) == (whole.rows, whole.refusals)
    frames = [pl.read_parquet(scored.target) for scored in (whole, parted)]
    # A row's answer may differ in its last bit with the number of rows it is computed with.
    assert frames[0].drop("probability").equals(frames[1].drop("probability"))
    assert (frames[0]["probability"] - frames[1]["probability"]).abs().max() < 1e-6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "parted.parquet", "whole.parquet"]


def test_a_stopped_run_goes_on_where_it_was(
    build: Build, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = BulkPredictor.predict
    calls: list[int] = []
    numbers = itertools.count(1)

    def stopped(self: BulkPredictor, rows: pa.RecordBatch) -> Any:
        calls.append(len(rows))
        # Several threads are here at once: each has a number of its own.
        if next(numbers) == 3:
            raise KeyboardInterrupt
        return original(self, rows)

    monkeypatch.setattr(BulkPredictor, "predict", stopped)
    target = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        score_file(build, source, target, part_rows=250)
    assert not target.exists()
    # One part was cut off while it was written, as by SIGKILL.
    kept = min(tmp_path.glob(".out.parquet.*/*.npy"))
    with kept.open("r+b") as opened:
        opened.truncate(kept.stat().st_size - 1)
    assert score_file(build, source, target, part_rows=250).rows == 1_000
    # Each of the four parts once, the one that was interrupted, and the one that was cut off.
    assert len(calls) == 6
    known = pl.read_parquet(score_file(build, source, tmp_path / "known.parquet", part_rows=250).target)
    assert pl.read_parquet(target).equals(known)


def test_what_another_source_left_behind_is_not_mixed_in(
    build: Build, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: BulkPredictor, rows: pa.RecordBatch) -> Any:
        raise KeyboardInterrupt

    target = tmp_path / "out.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(BulkPredictor, "predict", killed)
        with pytest.raises(KeyboardInterrupt):
            score_file(build, source, target, part_rows=250)
    pl.read_parquet(source).head(10).write_parquet(source)
    assert score_file(build, source, target, part_rows=250).rows == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


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
    known = pl.read_parquet(score_file(build, source, tmp_path / "known.parquet").target)
    target = score_file(build, source, tmp_path / f"out.{ending}", part_rows=300).target
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
    """A Parquet file of the contract's own types is read as it is stored, everything else is cast."""
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


def test_the_inputs_can_be_left_out(build: Build, source: Path, tmp_path: Path) -> None:
    whole = pl.read_parquet(score_file(build, source, tmp_path / "whole.parquet").target)
    answers = pl.read_parquet(score_file(build, source, tmp_path / "answers.parquet", answers_only=True).target)
    assert answers.equals(whole.select("probability", "late", "reasons"))


def test_answers_are_those_of_the_graph(build: Build, source: Path, tmp_path: Path) -> None:
    scored = pl.read_parquet(score_file(build, source, tmp_path / "out.parquet").target)
    contract = build.contract()
    valid = scored.filter(pl.col("reasons").is_null())
    predictor = inference_of("tabular").open(build.parts(), contract)
    whole = predictor.predict(predictor.tensors(valid.select([field.name for field in contract.inputs]).rows()))
    np.testing.assert_array_equal(valid["probability"].to_numpy(), whole)


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
    scored = score_file(build, tmp_path / "in.parquet", tmp_path / f"out{ending}", part_rows=8)
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


def test_parquet_comes_out_in_the_row_groups_and_bytes_that_it_had(build: Build, source: Path, tmp_path: Path) -> None:
    rows = pl.concat([pl.read_parquet(source)] * 20)
    rows.write_parquet(source, row_group_size=10_000, compression="gzip")
    target = score_file(build, source, tmp_path / "out.parquet", part_rows=3_000).target
    told = pq.read_metadata(target)
    assert [told.row_group(place).num_rows for place in range(told.num_row_groups)] == [10_000, 10_000]
    assert told.row_group(1).column(0).compression == "GZIP"
    assert told.row_group(1).column(told.num_columns - 1).compression == "SNAPPY"
    assert pl.read_parquet(target, columns=rows.columns).equals(rows)


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


def test_a_second_run_to_the_same_file_is_refused(build: Build, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    other = tmp_path / "other.parquet"
    other.write_bytes(source.read_bytes())
    with work_folder(build, source, target, 250) as work:
        for given, rows in ((source, 250), (source, 300), (other, 250)):
            with pytest.raises(HostError, match="another run is writing"):
                score_file(build, given, target, part_rows=rows)
        assert list(tmp_path.glob(".out*")) == [work]
    assert score_file(build, source, target, part_rows=250).rows == 1_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "other.parquet", "out.parquet"]


def test_only_what_runs_left_behind_is_removed(build: Build, source: Path, tmp_path: Path) -> None:
    ours = tmp_path / ".out[1].parquet.0123456789abcdef"
    others = [tmp_path / ".out[1].parquet.backup-2026-1122", tmp_path / ".out1.parquet.0123456789abcdef"]
    for folder in (ours, *others):
        folder.mkdir()
    (tmp_path / ".out[1].parquet.0123456789abcdee").write_text("a file")
    score_file(build, source, tmp_path / "out[1].parquet")
    assert not ours.exists()
    assert all(folder.is_dir() for folder in others)


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


def test_a_full_disk_is_said_and_what_is_finished_stays(
    build: Build, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = JoinedWriter.close

    def full(self: JoinedWriter) -> None:
        close(self)
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "out.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(JoinedWriter, "close", full)
        with pytest.raises(HostError, match=r"cannot write .*out\.parquet: No space left"):
            score_file(build, source, target, part_rows=250)
    assert not target.exists()
    assert len(list(tmp_path.glob(".out.parquet.*/*.npy"))) == 4
    assert score_file(build, source, target, part_rows=250).rows == 1_000


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
