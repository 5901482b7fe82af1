"""What a control group grants is read from either version of its files."""

from pathlib import Path

import pytest

from components.artefacts.machine import processor_quota


@pytest.mark.parametrize(("text", "cores"), [("150000 100000\n", 1.5), ("max 100000\n", None)])
def test_the_quota_of_a_control_group_is_in_cores(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert processor_quota(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("50000\n", 0.5), ("-1\n", None)])
def test_so_is_that_of_the_first_version(tmp_path: Path, quota: str, cores: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert processor_quota(tmp_path) == cores


def test_without_a_control_group_there_is_no_quota(tmp_path: Path) -> None:
    assert processor_quota(tmp_path) is None
