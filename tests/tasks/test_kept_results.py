"""What is kept of a stage names its files from the home: a home that was moved or copied uses its own."""

from pathlib import Path

import pytest
from prefect.serializers import Serializer

from components.data.results import Snapshot
from tasks.kept_results import HomeSerializer, placed


@pytest.mark.parametrize("name", ["home", "hömé with blanks", 'a "quoted" one', "100%", "${SLIPWAY_HOME}"])
def test_a_result_is_read_in_the_home_that_it_lies_in_now(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / name, tmp_path / "moved"
    monkeypatch.setenv("SLIPWAY_HOME", str(old))
    beside = f"/data{old}/rows.csv"
    kept = Snapshot(digest="d", path=old / "snapshots" / "rows.parquet", rows=1, columns={}, source=beside)
    blob = HomeSerializer().dumps(kept)
    assert HomeSerializer().loads(blob) == kept
    monkeypatch.setenv("SLIPWAY_HOME", str(new))
    read = Serializer(type="slipway-home").loads(blob)
    # Only a path that begins with the home is one into it.
    assert (read.path, read.source) == (new / "snapshots" / "rows.parquet", beside)
    assert placed("${SLIPWAY_HOME}/a/b") == f"{new}/a/b"
    assert placed("/elsewhere") == "/elsewhere"
