"""A client of MLflow, kept quiet: of the server in the settings, or of an SQLite file in the home."""

import contextlib
import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.artefacts.errors import HostError
from components.artefacts.storage import held
from components.imports import without_garbage
from components.registry.database_address import sqlite_url
from components.registry.moved_home import follow_home
from components.settings import Home, Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Whoever registers a build sends its files, perhaps over a slow line.
WAIT_SECONDS = 1_800


def tracking_uri(home: Home, settings: Settings) -> str:
    """Return where MLflow keeps its records: the server of the settings, or a SQLite file in the home."""
    return settings.tracking_uri or sqlite_url(home.room("registry", "mlflow.db"))


def import_mlflow(settings: Settings) -> None:
    """Import MLflow, kept quiet and from phoning home, and its store, unless that is on a server."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings(), without_garbage():
        warnings.simplefilter("ignore")
        importlib.import_module("mlflow")
        if not settings.tracking_uri:
            importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
    # Only now: importing MLflow sets its loggers up.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def open_client(home: Home, settings: Settings) -> Iterator["MlflowClient"]:
    """Yield a client of the registry; HostError for what it refuses."""
    import_mlflow(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        uri = tracking_uri(home, settings)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        try:
            # The first use creates the tables: two at once meet in the middle of that, and one of them dies.
            with only_one(home, "opening"):
                if settings.tracking_uri is None:
                    follow_home(home)
                client = mlflow.MlflowClient(uri, uri)
                client.search_registered_models(max_results=1)
            yield client
        except (MlflowException, SQLAlchemyError) as error:
            raise HostError(f"MLflow at {uri} refused: {' '.join(str(error).split())[:300]}") from error


def only_one(home: Home, what: str) -> contextlib.AbstractContextManager[None]:
    """Hold a lock of the home's registry, for one process and thread at a time; HostError if that takes too long."""
    return held(home.room("registry", what), WAIT_SECONDS)
