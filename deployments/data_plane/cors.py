"""Which pages of other origins may read answers in a browser (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

Off unless origins are named: a browser then keeps the answer from the page, and asks for nothing but what a plain form
could send, which is refused for its type.
"""

import re

from components.artefacts.errors import ServingError
from deployments.data_plane.protocol import Headers, Reply, Request

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
# What a page may send and may read beside what browsers always allow.
SENT = (
    "authorization, content-encoding, content-type, inference-header-content-length, traceparent, x-request-id, "
    "x-request-timeout-ms"
)
READ = "inference-header-content-length, retry-after, x-build, x-request-id"
# How long a browser may remember what it was told; Chromium remembers no longer.
REMEMBERED_SECONDS = "7200"


def check_origin(text: str) -> str:
    """Return an origin as browsers write it ("*": any); ServingError if it is none."""
    origin = text.strip().lower()
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise ServingError(f"{text[:80]!r} is not an origin: write https://app.example.org, with a port if it has one")
    return origin


class Cors:
    """Answers preflights and marks replies for pages of some origins."""

    def __init__(self, origins: tuple[str, ...], client_header: str | None) -> None:
        self._origins = frozenset(origins)
        self._sent = SENT if client_header is None else f"{SENT}, {client_header}"

    def preflight(self, method: str) -> Reply:
        """Return what a browser is told before it sends a request to a path that takes this method."""
        headers = (
            ("access-control-allow-methods", "GET, HEAD" if method == "GET" else method),
            ("access-control-allow-headers", self._sent),
            ("access-control-max-age", REMEMBERED_SECONDS),
        )
        return 204, headers, b""

    def marked(self, reply: Reply, request: Request) -> Reply:
        """Return a reply that the page which asked may read, if its origin is one of those named."""
        status, headers, body = reply
        return status, (*headers, *self._marks(request.header("origin"))), body

    def _marks(self, origin: str | None) -> Headers:
        exposed = ("access-control-expose-headers", READ)
        if "*" in self._origins:
            return ("access-control-allow-origin", "*"), exposed
        if origin is None or origin.lower() not in self._origins:
            return (("vary", "origin"),)
        return ("access-control-allow-origin", origin), exposed, ("vary", "origin")
