"""A file is scored part by part: stopped anywhere it goes on, and the parts make the same whole."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from components.delivery import scoring
from components.delivery.build import Build, open_build
from components.delivery.scoring import score_file
from components.errors import SourceError
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
    original = scoring._answered
    calls: list[int] = []

    def stopped(*arguments: Any) -> pl.DataFrame:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(scoring, "_answered", stopped)
    target = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        score_file(build, source, target, part_rows=250)
    assert not target.exists()
    assert score_file(build, source, target, part_rows=250).rows == 1_000
    # Two parts before the stop, the one that was interrupted, and the two that were missing.
    assert len(calls) == 5


def test_what_another_source_left_behind_is_not_mixed_in(
    build: Build, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any) -> pl.DataFrame:
        raise KeyboardInterrupt

    target = tmp_path / "out.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(scoring, "_answered", killed)
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
