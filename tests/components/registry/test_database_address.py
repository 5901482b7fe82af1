"""An SQLite file has an address, whatever its folder is called."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from components.registry.database_address import sqlite_url

LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.sampled_from("%?#[]& :@+")
NAMES = st.text(LETTERS, min_size=1)


@settings(deadline=None)
@given(NAMES.filter(lambda name: name not in (".", "..") and len(name.encode()) < 200))
def test_what_is_written_by_an_address_lies_in_the_file(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name, "file.db")
        path.parent.mkdir()
        for driver in ("pysqlite", "aiosqlite"):
            # The asynchronous driver is asked by its address alone: both are read by the same code.
            engine = create_engine(sqlite_url(path, driver).replace("aiosqlite", "pysqlite"))
            with engine.begin() as connection:
                connection.execute(text(f"create table {driver} (x)"))
            engine.dispose()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = {row[0] for row in connection.execute("select name from sqlite_master")}
        assert found == {"pysqlite", "aiosqlite"}
        assert [entry.name for entry in Path(folder).iterdir()] == [name]


def test_an_address_is_plain_where_it_can_be() -> None:
    assert sqlite_url(Path("/a b/50%/x.db")) == "sqlite:////a b/50%/x.db"
