"""Settings for Prefect, and for Polars, that must stand in the environment before they are imported.

With ``PREFECT_API_URL`` set, that server is used as it is. Without it each command runs its own temporary server on a
SQLite database in the home, so that a single machine needs nothing else.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from components.data.freed_memory import keep_freed_memory
from components.database_address import sqlite_url
from components.errors import HostError
from components.settings import Home
from components.training.processor_threads import let_waiting_threads_sleep


def configure_orchestrator(home: Home) -> None:
    """Point Prefect at the home and keep it quiet; what the user has set stays as it is."""
    let_waiting_threads_sleep()
    keep_freed_memory()
    folder = home.room("prefect")
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {
        "PREFECT_HOME": str(folder),
        "PREFECT_LOCAL_STORAGE_PATH": str(folder / "results"),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        # A temporary server prints a CancelledError traceback at exit otherwise.
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        # On a fresh home its first write meets the creation of the database: 'database is locked'.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The first start creates the database; a busy machine needs more than the default 20 s for it.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    if "?" in str(folder):
        # Prefect writes the path into an address, where it ends at a question mark.
        defaults["PREFECT_API_DATABASE_CONNECTION_URL"] = sqlite_url(folder / "prefect.db", "aiosqlite")
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Says at exit that it is still sending, through a logger that no level of Prefect's reaches.
    logging.getLogger("EventsWorker").setLevel(logging.CRITICAL)
    # Libraries warn about each other's deprecations; tests turn warnings into errors, users get none of them.
    warnings.simplefilter("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


@contextmanager
def lost_orchestrator() -> Iterator[None]:
    """Say in one line that a run was told to end, or that the Prefect server went away under it."""
    import httpx
    from prefect.exceptions import TerminationSignal

    try:
        yield
    except (TerminationSignal, httpx.TransportError) as error:
        where = os.environ.get("PREFECT_API_URL", "its temporary Prefect server")
        raise HostError(
            f"the run was told to end, or lost {where} ({type(error).__name__}); what was finished is kept: the same "
            "command goes on from there"
        ) from error
