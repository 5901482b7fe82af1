"""A file is scored part by part: stopped anywhere it goes on, and the parts make the same whole."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.builds.build import Build, open_build
from components.errors import SourceError
from components.scoring.score import score_file
from components.workloads.tabular.bulk import BulkPredictor
from components.workloads.tabular.inference import Predictor
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


@pytest.mark.parametrize("kind", ["small row groups", "narrow numbers", "csv", "arrow"])
def test_whatever_holds_the_rows_they_are_answered_alike(build: Build, source: Path, tmp_path: Path, kind: str) -> None:
    """A Parquet file of the contract's own types is read as it is stored, everything else is cast."""
    known = pl.read_parquet(score_file(build, source, tmp_path / "known.parquet").target)
    rows = pl.read_parquet(source)
    other = tmp_path / {"csv": "other.csv", "arrow": "other.arrow"}.get(kind, "other.parquet")
    if kind == "csv":
        rows.write_csv(other)
    elif kind == "arrow":
        rows.write_ipc(other)
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
    predictor = Predictor(build.model, contract)
    whole = predictor.predict(predictor.tensors(valid.select([field.name for field in contract.inputs]).rows()))
    np.testing.assert_array_equal(valid["probability"].to_numpy(), whole)


def test_parquet_comes_out_in_the_row_groups_and_bytes_that_it_had(build: Build, source: Path, tmp_path: Path) -> None:
    rows = pl.concat([pl.read_parquet(source)] * 20)
    rows.write_parquet(source, row_group_size=10_000, compression="gzip")
    target = score_file(build, source, tmp_path / "out.parquet", part_rows=3_000).target
    told = pq.read_metadata(target)
    assert [told.row_group(place).num_rows for place in range(told.num_row_groups)] == [10_000, 10_000]
    assert told.row_group(1).column(0).compression == "GZIP"
    assert told.row_group(1).column(told.num_columns - 1).compression == "SNAPPY"
    assert pl.read_parquet(target, columns=rows.columns).equals(rows)
