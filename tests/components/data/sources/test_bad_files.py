"""Every bad file ends in a clear error or in the quarantine: no traceback, no hang, no partial snapshot."""

from datetime import datetime
from pathlib import Path

import pytest

from components.artefacts.errors import DataError
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.declaration.source import Source
from components.settings import Home
from data_contracts.contract import Contract, column
from tests.components.data.sources.bad_files import BINARY, GOOD, TEXT, bad_files

FILES = dict(bad_files())


class Ticket(Contract):
    """A row of the good file."""

    when: datetime = column("when", roles=("time",))
    carrier: str = column("carrier", min_length=2, max_length=2, pattern="^[A-Z]{2}$")
    price: float = column("price", ge=0, le=1000)
    seats: int = column("seats", ge=0, le=1000)
    late: bool = column("label", roles=("label",), available="after")


def ingest(name: str, data: bytes, folder: Path) -> tuple[int, int]:
    """Return kept and quarantined rows of a file."""
    path = folder / name
    path.write_bytes(data)
    home = Home(folder / "home")
    source = Source(path=str(path), max_unpacked_bytes=10_000_000)
    snapshot = take_snapshot(source, Ticket.spec(), home)
    validated = validate_snapshot(snapshot, Ticket.spec(), home, where=name)
    return validated.rows, validated.quarantined


def test_there_are_more_than_two_hundred() -> None:
    assert len(FILES) > 200


@pytest.mark.parametrize("ending", [*BINARY, *TEXT])
def test_the_good_file_is_good_in_every_format(ending: str, tmp_path: Path) -> None:
    assert ingest(f"good.{ending}", (BINARY | TEXT)[ending], tmp_path) == (GOOD.height, 0)


@pytest.mark.parametrize("name", list(FILES))
def test_a_bad_file_is_refused_in_one_clear_line_or_quarantined(name: str, tmp_path: Path) -> None:
    try:
        kept, refused = ingest(name, FILES[name], tmp_path)
    except DataError as error:
        message = str(error)
        assert "\n" not in message
        assert 30 < len(message) < 1200, message
        assert "panicked" not in message
        assert "Error(" not in message
    else:
        # Not refused: then it must hold good rows of the good file, all of them.
        assert refused == 0
        # Nobody can see that the last lines of a text file are missing.
        assert kept in (len(GOOD), 20) or name.startswith("truncated")
    room = tmp_path / "home" / "snapshots"
    left = list(room.iterdir()) if room.exists() else []
    assert all(not path.name.startswith(".") and (path / "snapshot.json").is_file() for path in left)
    assert not list(tmp_path.parent.glob("outside*"))
