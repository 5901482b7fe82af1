"""Addresses of the home as it was are rewritten, and no others."""

import sqlite3
from contextlib import closing

from components.registry.moved_home import ADDRESSES, follow_home
from components.settings import Home


def test_only_addresses_that_lie_in_the_home_as_it_was_follow_it(home: Home) -> None:
    home.room("registry").mkdir(parents=True)
    was, here = "file:///my_home%20a/registry/artifacts", home.room("registry", "artifacts").as_uri()
    others = ["file:///my-home%20a/registry/artifacts/x", f"{was}2/x", "s3://bucket/x", "models:/m-1"]
    with closing(sqlite3.connect(home.room("registry", "mlflow.db"))) as connection, connection:
        for table in dict.fromkeys(table for table, _ in ADDRESSES):
            columns = ", ".join(column for of, column in ADDRESSES if of == table)
            connection.execute(f"create table {table} ({columns})")
        for table, column in ADDRESSES:
            rows = [(place,) for place in (was, f"{was}/1/x", *others)]
            connection.executemany(f"insert into {table} ({column}) values (?)", rows)
    # Once more changes nothing.
    for _ in range(2):
        follow_home(home)
        with closing(sqlite3.connect(home.room("registry", "mlflow.db"))) as connection:
            for table, column in ADDRESSES:
                query = f"select {column} from {table} where {column} is not null"
                assert [place for (place,) in connection.execute(query)] == [here, f"{here}/1/x", *others]
