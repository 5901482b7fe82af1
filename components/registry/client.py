"""A client of MLflow, kept quiet: of the server in the settings, or of an SQLite file in the home."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.artefacts.errors import HostError
from components.artefacts.storage import held
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


@contextlib.contextmanager
def open_client(home: Home, settings: Settings) -> Iterator["MlflowClient"]:
    """Yield a client of the registry, with MLflow kept quiet and from phoning home; HostError for what it refuses."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        # Only now: importing MLflow sets its loggers up.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
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
