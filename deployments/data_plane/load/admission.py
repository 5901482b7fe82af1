"""Who may ask, under which name, and how long an answer may take: looked at before any work is done for a request."""

import re
import secrets
from collections.abc import Callable
from itertools import count

from deployments.data_plane.formats.request import MalformedRequest
from deployments.data_plane.load.limits import RateLimit, RateLimited
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import BodyTooLarge, BodyTooLate, Disconnected, Request

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

# Bodies of refused requests are read away up to this size; after larger ones the connection closes.
SMALL_BODY = 65_536


class Admission:
    """What holds for every request of one worker, over HTTP and gRPC."""

    def __init__(self, options: Options) -> None:
        self._options = options
        # Asked in the hot path: a coroutine that does nothing costs 0.2 us.
        self.limits_rates = options.rate_limit > 0
        self._rates = RateLimit(options.rate_limit, shared=options.exchange) if options.rate_limit else None
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    def request_id(self, wanted: str | None) -> str:
        """Return what a client calls its request if that may stand in a header, else a new name."""
        return wanted if wanted and _REQUEST_ID.fullmatch(wanted) else f"{self._prefix}-{next(self._numbers)}"

    def patience(self, request: Request) -> float:
        """Return how many seconds a request may take: what the client says, at most what the service allows."""
        header = request.header("x-request-timeout-ms")
        limit = self._options.deadline_seconds
        if header is None:
            return limit
        try:
            return min(limit, max(0.0, float(header) / 1_000))
        except ValueError:
            raise MalformedRequest(f"x-request-timeout-ms must be a number of milliseconds, not {header!r}") from None

    def shortened(self, seconds: float | None) -> float:
        """Return how many seconds a call may take whose client gave it some, or None."""
        limit = self._options.deadline_seconds
        return limit if seconds is None else min(limit, seconds)

    async def limit_rate(self, request: Request) -> None:
        """Raise RateLimited if the client of an HTTP request asks too often."""
        if self._rates is None:
            return
        try:
            self.take(request.header, request.client)
        except RateLimited as error:
            error.unread = not await discarded(request)
            raise

    def take(self, header: Callable[[str], str | None], address: str) -> None:
        """Count one request of a client, who is its address or what its header says; raises RateLimited."""
        if self._rates is not None:
            named = self._options.client_header
            self._rates.take((header(named) if named else None) or address)

    @property
    def limit(self) -> str:
        """How a message calls a limit."""
        workers = self._options.workers or 1
        return "the limit" if workers == 1 else f"the limit of each of {workers} workers"

    @property
    def full(self) -> str:
        """What is told when too many requests are being answered."""
        return f"{self._options.queue_requests} requests are being answered, which is {self.limit}"


async def discarded(request: Request) -> bool:
    """Read a body away, so that the connection can stay open; False if it is too large for that, or does not come."""
    try:
        await request.body(SMALL_BODY)
    except (BodyTooLarge, BodyTooLate, Disconnected):
        return False
    return True
