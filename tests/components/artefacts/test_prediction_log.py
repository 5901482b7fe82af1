"""What is written into the prediction log is what is read from it, by time and by build."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.artefacts.prediction_log import own_columns, read_parts, write_part

# Long ago: what is written today lies in a folder of today.
NOON = datetime(2024, 11, 28, 12, tzinfo=UTC)


def part(folder: Path, number: int, build: str, *, at: datetime, count: int = 3, **more: list[float]) -> Path:
    seconds = at.timestamp() + np.arange(count)
    ids = np.array([f"r{number}"] * count, dtype=object)
    columns = own_columns(ids, np.arange(count, dtype=np.int32), seconds, build)
    path = write_part(folder, pa.table(columns | more), number)
    # As if it had been written when it was answered.
    moved = folder / f"{at:%Y-%m-%d}" / path.name
    moved.parent.mkdir(exist_ok=True)
    return path.rename(moved)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    part(tmp_path, 1, "a-1", at=NOON - timedelta(days=2), probability=[0.1, 0.2, 0.3])
    part(tmp_path, 2, "a-1", at=NOON, probability=[0.4, 0.5, 0.6])
    part(tmp_path, 3, "a-2", at=NOON, value=[7.0, 8.0, 9.0])
    return tmp_path


def asked(log: Path, **what: object) -> list[tuple[str, int]]:
    return [(table["request_id"][0].as_py(), table.num_rows) for table in read_parts(log, **what)]  # type: ignore[arg-type]


def test_parts_come_back_as_they_were_written(log: Path) -> None:
    first, second, third = sorted(read_parts(log), key=lambda table: table["request_id"][0].as_py())
    assert first["answered_at"].to_pylist() == [NOON - timedelta(days=2) + timedelta(seconds=n) for n in range(3)]
    assert first["row"].to_pylist() == [0, 1, 2]
    assert second["probability"].to_pylist() == [0.4, 0.5, 0.6]
    # Another contract, other columns.
    assert third.column_names == ["request_id", "row", "answered_at", "build", "value"]


def test_a_window_takes_its_first_moment_and_not_its_last(log: Path) -> None:
    window = {"since": NOON + timedelta(seconds=1), "until": NOON + timedelta(seconds=2)}
    assert sorted(asked(log, **window)) == [("r2", 1), ("r3", 1)]
    assert asked(log, until=NOON) == [("r1", 3)]
    assert asked(log, since=NOON + timedelta(days=1)) == []


def test_a_build_is_read_alone(log: Path) -> None:
    assert asked(log, build="a-2") == [("r3", 3)]
    assert sorted(asked(log, build="a-1")) == [("r1", 3), ("r2", 3)]


def test_a_part_that_is_not_whole_is_not_read(log: Path) -> None:
    (log / f"{NOON:%Y-%m-%d}" / ".120000-1-9.parquet").write_bytes(b"PAR1")
    assert len(asked(log)) == 3


def test_a_part_that_was_written_after_midnight_is_found(tmp_path: Path) -> None:
    late = part(tmp_path, 1, "a-1", at=NOON, probability=[0.1, 0.2, 0.3])
    next_day = tmp_path / f"{NOON + timedelta(days=1):%Y-%m-%d}"
    next_day.mkdir(exist_ok=True)
    late.rename(next_day / late.name)
    assert asked(tmp_path, until=NOON + timedelta(hours=1)) == [("r1", 3)]
