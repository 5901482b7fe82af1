"""MLflow's records name files by absolute addresses: when the home was moved or copied, they are made to follow it."""

import contextlib
import sqlite3

from components.settings import Home

# Where MLflow's tables keep the address of a file or a folder.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
ENDING = "/registry/artifacts"


def follow_home(home: Home) -> None:
    """Rewrite the addresses of MLflow's database in the home that lie in another home; nothing else is touched.

    Without it, models of a moved home are not found, and what is registered next is written where the home was.
    """
    database = home.room("registry", "mlflow.db")
    if not database.is_file():
        return
    here = home.room("registry", "artifacts").as_uri()
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        if "experiments" not in tables:
            return
        query = "select distinct artifact_location from experiments where artifact_location like ?"
        for (place,) in connection.execute(query, (f"file:%{ENDING}",)).fetchall():
            if place == here:
                continue
            for table, column in ADDRESSES:
                connection.execute(
                    f"update {table} set {column} = :here || substr({column}, :rest) "
                    f"where substr({column} || '/', 1, :rest) = :place || '/'",
                    {"here": here, "place": place, "rest": len(place) + 1},
                )
