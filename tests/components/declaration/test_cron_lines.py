"""Cron lines are checked when a file is read: by Prefect's own parser, without loading Prefect."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from components.artefacts.errors import WorkloadError
from components.declaration.cron_lines import check_cron_line
from components.declaration.loading import read_workload


@pytest.mark.parametrize("line", ["0 4 * * 1", "30 4 * * *", "@daily", "*/5 9-17 * * mon-fri", "0 0 29 2 *"])
def test_a_line_that_comes_is_taken(line: str) -> None:
    check_cron_line(line)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 25 * * *", "no cron line"),
        ("every day", "no cron line"),
        ("", "no cron line"),
        ("0 4 * *", "no cron line"),
        ("R 4 * * *", "no cron line|random"),
        ("h h * * *", "no cron line|random"),
        ("0 4 31 2 *", "never comes"),
    ],
)
def test_a_line_that_does_not_is_refused_where_it_stands(line: str, told: str, tmp_path: Path) -> None:
    document = yaml.safe_load(Path("deployments/flights.yaml").read_text())
    document["schedule"] = {"build": "0 4 * * 1", "monitor": line}
    file = tmp_path / "flights.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(WorkloadError, match=told) as refused:
        read_workload(str(file))
    assert "schedule.monitor" in str(refused.value)


parts = st.sampled_from(["*", "0", "59", "60", "*/2", "1-5", "5-1", "1,2", "L", "mon", "h", "R", "?", "1#2", "x", "-1"])


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.lists(parts, min_size=4, max_size=7).map(" ".join) | st.text(max_size=12))
def test_nothing_is_taken_that_prefect_refuses(line: str) -> None:
    try:
        check_cron_line(line)
    except ValueError:
        return
    try:
        CronSchedule(cron=line, timezone="UTC")
    except ValidationError as error:
        pytest.fail(f"{line!r}: {error}")


def test_prefect_is_not_loaded_for_it() -> None:
    told = "from components.declaration.cron_lines import check_cron_line; check_cron_line('@daily')"
    told += "; import sys; sys.exit('prefect' in sys.modules)"
    subprocess.run([sys.executable, "-c", told], check=True)
