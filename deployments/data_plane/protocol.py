"""What the service needs to know of HTTP: a request to read, a reply to give."""

from collections.abc import Callable
from typing import Protocol

from deployments.data_plane.telemetry.tracing import Trace

JSON = (("content-type", "application/json"),)
HTML = (("content-type", "text/html; charset=utf-8"),)
# The rest of a body that was not read would be taken for the next request.
CLOSE = (("connection", "close"),)

Headers = tuple[tuple[str, str], ...]
Reply = tuple[int, Headers, bytes]


class BodyTooLarge(Exception):
    """The body is larger than the build's limit."""


class BodyTooLate(Exception):
    """The client stopped before the whole body had come."""


class Disconnected(Exception):
    """The client went away before its request had come."""


class Request(Protocol):
    """One HTTP request, whatever the server."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def sent(self) -> Reply | None:
        """What was sent, once it was."""

    # Set by the service if this request is traced.
    trace: Trace | None
    # What the request is called in its answer, in logs and traces; empty until it is known.
    request_id: str

    @property
    def client(self) -> str:
        """The address of the other side, without its port."""

    def header(self, name: str) -> str | None:
        """Return a header by its lower-case name."""

    @property
    def send(self) -> Callable[[Reply], None] | None:
        """Answers at once, from wherever the answer is known; None if this server waits for the handler's reply."""

    async def body(self, limit: int) -> bytes:
        """Return the body; raises BodyTooLarge without reading all of it, BodyTooLate, Disconnected."""


def closing(reply: Reply) -> Reply:
    """Return a reply after which the connection closes."""
    return reply if CLOSE[0] in reply[1] else (reply[0], (*reply[1], *CLOSE), reply[2])
