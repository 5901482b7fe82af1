"""The address of an SQLite file, whatever the letters in its path."""

from pathlib import Path
from urllib.parse import quote


def sqlite_url(path: Path, driver: str = "pysqlite") -> str:
    """Return an address for SQLAlchemy.

    In the plain form a question mark ends the path; nothing that can be written there stands for one. The other form is
    SQLite's own (https://sqlite.org/uri.html), and hides the path from readers, so it is used only where it must be.
    """
    if "?" not in str(path):
        return f"sqlite+{driver}:///{path}" if driver != "pysqlite" else f"sqlite:///{path}"
    return f"sqlite+{driver}:///file:{quote(str(path))}?uri=true"
