"""The ``schedule`` section of a workload file: when its flows run by themselves."""

from pydantic import field_validator

from components.declaration.cron_lines import check_cron_line
from components.declaration.section import Section


class Schedule(Section):
    """Cron lines for the scheduled flow runs (UTC)."""

    build: str | None = None
    monitor: str | None = None

    @field_validator("build", "monitor")
    @classmethod
    def _is_cron_line(cls, line: str | None) -> str | None:
        if line is not None:
            check_cron_line(line)
        return line
