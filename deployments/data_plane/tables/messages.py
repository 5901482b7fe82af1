"""What the service and its decoder tell each other: a length and JSON, and with a job the files it is about."""

import socket
import struct
from collections.abc import Sequence
from typing import Literal

import msgspec

from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, TooManyRows
from deployments.data_plane.protocol import BodyTooLarge

_LENGTH = struct.Struct("!I")
# Of a message to a client; a name in a table may have any length.
_CHARACTERS = 500


class Job(msgspec.Struct, frozen=True, tag="job"):
    """A body to read against a contract: ``size`` bytes of the first file; what comes out is written to the second."""

    number: int
    content_type: str
    size: int
    max_rows: int
    # What it may unpack to.
    max_bytes: int
    # Of processor time.
    seconds: int
    contract: msgspec.Raw


class Column(msgspec.Struct, frozen=True):
    """Where a column lies in the file.

    ``start``: its numbers (those of all vectors, one after the other), or each row's place among ``distinct`` texts or
    bytes. ``ends``: where each of these, or each vector, ends. ``content``: the texts or bytes one after the other, of
    ``size`` bytes, or for each of the vectors, which have ``size`` numbers, whether it is missing. ``whole``: integers
    that are no doubles.
    """

    name: str
    start: int
    form: Literal["numbers", "text", "bytes", "vectors"] = "numbers"
    whole: int | None = None
    distinct: int = 0
    ends: int = 0
    content: int = 0
    size: int = 0


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The columns of a table, and how large the file is that holds them."""

    number: int
    rows: int
    size: int
    columns: list[Column]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why a body is refused; of a row that breaks the contract also where."""

    number: int
    kind: Literal["row", "malformed", "rows", "bytes"]
    reason: str
    row: int = 0
    field: str | None = None


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The process that read the body came to its end: the status as ``waitpid`` gives it."""

    status: int


Answer = Done | Refused | Ended


def refused(error: Exception, number: int) -> Refused:
    """Return a refusal as a message."""
    match error:
        case InvalidRow():
            return Refused(
                number, "row", _clip(error.reason), error.row, None if error.field is None else _clip(error.field)
            )
        case TooManyRows():
            return Refused(number, "rows", _clip(str(error)))
        case BodyTooLarge():
            return Refused(number, "bytes", _clip(str(error)))
        case _:
            return Refused(number, "malformed", _clip(str(error)))


def error_of(refusal: Refused) -> Exception:
    """Return the exception that a message stands for."""
    match refusal.kind:
        case "row":
            return InvalidRow(refusal.row, refusal.field, refusal.reason)
        case "rows":
            return TooManyRows(refusal.reason)
        case "bytes":
            return BodyTooLarge(refusal.reason)
        case _:
            return MalformedRequest(refusal.reason)


def _clip(text: str) -> str:
    # What JSON cannot hold (half a surrogate pair) must not be a failure of its own.
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}..."


def send(link: socket.socket, message: Job | Answer, files: Sequence[int] = ()) -> None:
    """Send a message, and open files with it."""
    body = msgspec.json.encode(message)
    socket.send_fds(link, [_LENGTH.pack(len(body))], files)
    link.sendall(body)


def receive(link: socket.socket) -> tuple[bytes, list[int]]:
    """Return a message and the files that came with it; EOFError if the other side has ended."""
    head, files, _, _ = socket.recv_fds(link, _LENGTH.size, 2)
    head += _exactly(link, _LENGTH.size - len(head)) if head else b""
    if not head:
        raise EOFError
    return _exactly(link, _LENGTH.unpack(head)[0]), files


def _exactly(link: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = link.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
