"""How the files of the suite are divided among processes: by what is dear to make, and the longest first."""

import functools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# Fixtures that live as long as a session and take 10 to 30 s of a processor: whoever names one runs in one process.
DEAR = ("orchestrator", "staged")
_NAMED = re.compile(rf"\b(?:{'|'.join(DEAR)})\b")


@functools.cache
def unit(file: str) -> str:
    """Return with what a file is run in one process: a fixture that it asks for, or itself alone."""
    path = Path(__file__).parent.parent / file
    found = _NAMED.search(path.read_text()) if path.is_file() else None
    return found.group() if found else file


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what hands the units to the processes, in the order of collection."""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid.split("::", 1)[0])

    config.option.loadscopereorder = False
    return Units(config, log)


def put_longest_first(items: list[pytest.Item]) -> None:
    """Order units: first what shares a fixture that is dear, then files by the number of their tests."""
    tests = Counter(unit(_file(item)) for item in items)

    def place(item: pytest.Item) -> tuple[int, int, str]:
        name = unit(_file(item))
        return DEAR.index(name) if name in DEAR else len(DEAR), -tests[name], name

    items.sort(key=place)


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::", 1)[0]
