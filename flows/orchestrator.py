"""Prefect for a command: settings that must stand in the environment before it is imported, and a server.

With ``PREFECT_API_URL`` set, that server is used as it is. Without it each command runs its own temporary server on a
SQLite database in the home, so that a single machine needs nothing else.
"""

import ipaddress
import logging
import os
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from components.artefacts.errors import HostError
from components.registry.database_address import sqlite_url
from components.settings import Home
from components.training.processor_threads import let_waiting_threads_sleep
from flows import ending
from flows.temporary_server import TemporaryServer, start

REACH_SECONDS = 3


def configure_orchestrator(home: Home) -> TemporaryServer | None:
    """Point Prefect at the home and keep it quiet; what the user has set stays as it is.

    Returns the temporary server, which has been started and need not answer yet, if no other server was named.
    HostError if one was named that cannot be reached.
    """
    let_waiting_threads_sleep()
    folder = home.room("prefect")
    folder.mkdir(parents=True, exist_ok=True)
    spare_loopback_the_proxy()
    named = os.environ.get("PREFECT_API_URL")
    defaults = {
        "PREFECT_HOME": str(folder),
        "PREFECT_LOCAL_STORAGE_PATH": str(folder / "results"),
        # What is printed here is ours; a server that stays has pages, and shows the log of a run on them.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_LEVEL": "INFO" if named else "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "true" if named else "false",
        # A temporary server prints a CancelledError traceback at exit otherwise.
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        # On a fresh home its first write meets the creation of the database: 'database is locked'.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
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
    if named:
        check_reachable(named)
        return None
    if "prefect" in sys.modules and _chosen():
        return None
    server = start(folder)
    os.environ["PREFECT_API_URL"] = server.url
    return server


def _chosen() -> bool:
    """Return whether the program around us has imported Prefect before, and chosen a server for it."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url is not None


def spare_loopback_the_proxy() -> None:
    """Keep addresses of this machine out of a proxy that the environment names for all others."""
    kept = [name for name in (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",") if name]
    missing = [name for name in ("127.0.0.1", "localhost", "::1") if name not in kept]
    if missing and any(os.environ.get(name) for name in PROXIES):
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join([*kept, *missing])


PROXIES = tuple(spelt for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for spelt in (name, name.lower()))


def check_reachable(url: str) -> None:
    """Raise HostError unless a Prefect server answers at this address, within seconds, as Prefect would ask it."""
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise HostError(f"PREFECT_API_URL is {url!r}: give an address such as http://127.0.0.1:4200/api, or unset it")
    answers: list[str] = []
    # In a thread: to look up a name has no time limit.
    asking = threading.Thread(target=lambda: answers.append(_ask(url)), daemon=True)
    asking.start()
    asking.join(REACH_SECONDS + 0.5)
    why = answers[0] if answers else f"no answer within {REACH_SECONDS} s"
    if not why:
        return
    proxy = "" if _is_local(url) else urllib.request.getproxies().get(scheme, "")
    through = f" through the proxy {proxy}" if proxy else ""
    raise HostError(
        f"no Prefect server answers at PREFECT_API_URL={url}{through} ({why}): start it ('prefect server start'), "
        "or unset PREFECT_API_URL, and each command runs a server of its own"
    )


def _ask(url: str) -> str:
    """Return why no server answers there; empty if one does."""
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError as error:
        # It wants a key that Prefect has and we do not look for.
        return "" if error.code in (401, 403) else f"status {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", None) or error)
    return ""


def _is_local(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def lost_orchestrator() -> Iterator[None]:
    """Say in one line that the Prefect server went away under a run, or that the run was told to end."""
    import httpx
    from prefect.exceptions import TerminationSignal

    try:
        yield
    except TerminationSignal as error:
        raise KeyboardInterrupt from error
    except httpx.TransportError as error:
        where = os.environ.get("PREFECT_API_URL", "its temporary Prefect server")
        raise HostError(f"the run lost {where} ({type(error).__name__}); {ending.KEPT}") from error


@contextmanager
def no_heartbeats() -> Iterator[None]:
    """Send no signs of life of a run: a temporary server has no automation that misses them.

    Their thread looks once a second whether its flow has ended, and each flow, also one in a flow, waits for it.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings(set_defaults={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
