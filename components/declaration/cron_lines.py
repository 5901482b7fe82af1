"""Cron lines, checked as Prefect will when it schedules by them: by its own parser, loaded without the rest of it.

Prefect takes a second to import, its parser twenty milliseconds; only Prefect's own releases carry it.
"""

import functools
import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

_PARSER = "prefect._vendor.croniter.croniter"
# A leap year and all days of the week are among the years after it.
_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def check_cron_line(line: str) -> None:
    """Raise ValueError for a line that Prefect does not schedule by, or that names no day there is."""
    parser = _parser()
    if not parser.croniter.is_valid(line):
        raise ValueError(f"{line!r} is no cron line: write minute, hour, day, month and weekday, as in '0 4 * * 1'")
    if any(word.casefold() in ("r", "h") for word in line.split()):
        raise ValueError(f"{line!r} has a random or hashed part (R, H), which Prefect does not schedule by")
    try:
        parser.croniter(line, _FROM).get_next(datetime)
    except parser.CroniterBadDateError:
        raise ValueError(f"{line!r} never comes: there is no such day") from None


@functools.cache
def _parser() -> ModuleType:
    if _PARSER in sys.modules:
        return sys.modules[_PARSER]
    # Found, not imported.
    found = importlib.util.find_spec("prefect")
    assert found, "Prefect is a dependency"
    assert found.submodule_search_locations
    file = Path(found.submodule_search_locations[0], *_PARSER.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location("prefect_cron_parser", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
