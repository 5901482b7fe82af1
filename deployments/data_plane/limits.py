"""How much one client may ask: a token bucket each, for a bounded number of clients."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS = 10_000


class NotTaken(Exception):
    """The request was refused before it was looked at; another try may succeed after ``retry_after`` seconds."""

    def __init__(self, reason: str, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        # The rest of a body that was not read would be taken for the next request: the connection must close.
        self.unread = False


class Overloaded(NotTaken):
    """The queue is full."""


class RateLimited(NotTaken):
    """The client asked more often than it may."""

    def __init__(self, client: str, rate: float, wait_seconds: float) -> None:
        super().__init__(
            f"client {client} may ask {rate:g} times a second; try again in {wait_seconds:.2f} s",
            max(1, math.ceil(wait_seconds)),
        )


class RateLimit:
    """Lets every client ask ``rate`` times a second, and up to ``burst`` times at once."""

    def __init__(self, rate: float, burst: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst if burst is not None else max(1.0, rate)
        self._clock = clock
        # Least recently seen first: a flood of addresses makes the oldest be forgotten, not memory grow.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of a client; raises RateLimited."""
        now = self._clock()
        tokens, seen = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - seen) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            raise RateLimited(client, self._rate, (1 - tokens) / self._rate)
