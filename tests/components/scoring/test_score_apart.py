"""A file that ends whoever reads it is one line, and leaves nothing where the answers were to be."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artefacts.build import Build, open_build
from components.artefacts.errors import SourceError
from components.scoring.score import score_apart, score_file
from components.user_modules import child_environment
from tests.deployments.hostile_tables import one_text, with_column
from tests.deployments.small_build import Sample, draw_sample, write_build
from tests.deployments.test_hostile_tables import CRASH, sound_table


@pytest.fixture(scope="module")
def sample() -> Sample:
    return draw_sample()


@pytest.fixture(scope="module")
def build(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return open_build(write_build(sample, tmp_path_factory.mktemp("builds") / "build"))


def ipc(path: Path, *tables: pa.Table) -> Path:
    """Write tables as one Arrow file; the first gives the schema."""
    with pa.ipc.new_file(path, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return path


def test_it_is_scored_as_in_this_process(build: Build, sample: Sample, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(sound_table(sample), source)
    apart = score_apart(build, source, tmp_path / "apart.parquet")
    here = score_file(build, source, tmp_path / "here.parquet")
    assert apart.model_copy(update={"target": here.target}) == here
    assert pl.read_parquet(apart.target).equals(pl.read_parquet(here.target))


def test_errors_are_those_of_this_process(build: Build, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        score_apart(build, tmp_path / "nothing.parquet", tmp_path / "out.parquet")


@pytest.mark.parametrize("name", ["union", "run ends", "name", "stream", "twice"])
def test_what_the_readers_panic_over_is_one_line(build: Build, sample: Sample, tmp_path: Path, name: str) -> None:
    source, table = tmp_path / "in.arrow", sound_table(sample)
    if name == "union":
        union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
        ipc(source, with_column(table, "carrier", union))
    elif name == "run ends":
        ipc(source, with_column(table, "carrier", pa.RunEndEncodedArray.from_arrays([50], ["AA"])))
    elif name == "name":
        with pa.ipc.new_stream(source, table.schema) as writer:
            writer.write_table(table)
        source.write_bytes(source.read_bytes().replace(b"distance", b"\xff" * 8))
    elif name == "stream":
        source.write_bytes(CRASH.read_bytes())
    else:
        # Polars' thread panics, and its rows just end.
        ipc(source, table.append_column("distance", table.column("distance")))
    with pytest.raises(SourceError, match="cannot be read") as refused:
        score_apart(build, source, tmp_path / "out.parquet")
    assert len(str(refused.value)) < 600
    assert [path.name for path in tmp_path.iterdir()] == ["in.arrow"]


ASK = """
import resource, sys
from pathlib import Path
from components.artefacts.build import open_build
from components.artefacts.errors import SlipwayError
from components.scoring.score import score_apart
# Inherited: the machine has so much memory, as it were.
resource.setrlimit(resource.RLIMIT_DATA, (800_000_000, 800_000_000))
build, source, target = map(Path, sys.argv[1:])
try:
    score_apart(open_build(build), source, target)
except SlipwayError as error:
    print(type(error).__name__, error)
"""


def test_a_small_file_that_takes_all_memory_ends_in_one_line(build: Build, sample: Sample, tmp_path: Path) -> None:
    """A text of a megabyte in each of 100,000 rows, held once."""
    table = with_column(sound_table(sample), "carrier", one_text(2**20, 100_000))
    source = tmp_path / "in.parquet"
    pq.write_table(table, source, compression="zstd")
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(build.path), str(source), str(tmp_path / "out.parquet")],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(("SourceError", "HostError"))
    assert "memory" in line
    assert str(source) in line
    assert not (tmp_path / "out.parquet").exists()
