"""What every flow begins with: the workload, the home, the settings, and a ledger that records the run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from components.catalog import kind_options
from components.declaration import Workload, read_workload
from components.run_ledger import Ledger, recorded_run
from components.settings import Home, Settings


@dataclass(frozen=True)
class Opened:
    """What a flow's tasks need."""

    workload: Workload
    home: Home
    settings: Settings
    ledger: Ledger


@contextmanager
def opened(workload: str, flow: str) -> Iterator[Opened]:
    """Read and check the workload file, then record what happens in the block."""
    declared = read_workload(workload)
    kind_options(declared)
    settings = Settings()
    home = settings.folder()
    with recorded_run(home, declared.name, flow) as ledger:
        yield Opened(declared, home, settings, ledger)
