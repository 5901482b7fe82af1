"""How much one client may ask: a rate and a burst each, for a bounded number of clients, by all workers together.

A client is known by one number, the moment until which what it asked so far is paid for at its rate (the generic cell
rate algorithm: a token bucket without tokens; ITU-T I.371). The numbers lie in a table that workers map into memory.
"""

import fcntl
import math
import mmap
import os
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

# Places for clients, and how many of them one client may stand at.
PLACES, TRIES = 65_536, 8
WORD = 8
# Rounding of a sum must not refuse what is due at this very moment.
ROUNDING = 1e-9


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
    """Lets every client ask ``rate`` times a second, and up to ``burst`` times at once.

    Given the same folder ``shared``, several processes count together.
    """

    def __init__(
        self,
        rate: float,
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        shared: Path | None = None,
    ) -> None:
        self._rate = rate
        self._patience = ((burst if burst is not None else max(1.0, rate)) - 1) / rate + ROUNDING
        self._clock = clock
        size = PLACES * 2 * WORD
        self._file = None if shared is None else os.open(shared / "rates", os.O_RDWR | os.O_CREAT, 0o600)
        if self._file is not None:
            os.ftruncate(self._file, size)
        table = memoryview(mmap.mmap(-1 if self._file is None else self._file, size))
        # Who stands at a place (0: nobody), and until when it is paid.
        self._names, self._paid = table[: PLACES * WORD].cast("Q"), table[PLACES * WORD :].cast("d")

    def take(self, client: str) -> None:
        """Count one request of a client; raises RateLimited."""
        name = int.from_bytes(blake2b(client.encode(), digest_size=WORD).digest()) or 1
        if self._file is None:
            self._count(client, name)
            return
        # Held for a microsecond, and let go by the system if a worker dies.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._count(client, name)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _count(self, client: str, name: int) -> None:
        now, place = self._clock(), self._place(name)
        # Whoever is met at the place of somebody else is new, and owes nothing.
        paid = max(self._paid[place], now) if self._names[place] == name else now
        if (wait := paid - now - self._patience) > 0:
            raise RateLimited(client, self._rate, wait)
        self._names[place], self._paid[place] = name, paid + 1 / self._rate

    def _place(self, name: int) -> int:
        """Return where a client stands, or may stand: where nobody does, else where the oldest debt is."""
        for step in range(TRIES):
            place = (name + step) % PLACES
            if self._names[place] in (name, 0):
                return place
        # A flood of clients makes the oldest be forgotten, not memory grow.
        return min(((name + step) % PLACES for step in range(TRIES)), key=self._paid.__getitem__)
