"""Bodies that do not come: a client that stops in the middle of one is told so and let go.

A timer a request would cost a tenth of the whole request. Here a request only enters and leaves a set, and somebody who
looks now and then sees who has been in it for too long.
"""

import asyncio
from typing import Any

from deployments.data_plane.protocol import BodyTooLate

# How long a body may take while bodies that do not come hold every second place.
CROWDED_SECONDS = 2.0


class BodyWatch:
    """The requests of one event loop whose bodies are being read; there are ``places`` for requests."""

    def __init__(self, seconds: float, places: int) -> None:
        self._seconds = seconds
        self._places = places
        # Read and written in the hot path.
        self.reading: set[asyncio.Task[Any] | None] = set()
        self._since: dict[asyncio.Task[Any] | None, float] = {}
        self._ended: dict[asyncio.Task[Any], float] = {}

    def look(self, now: float) -> None:
        """End what was already being read at a look that is longer ago than a body may take."""
        self._since = {task: self._since.get(task, now) for task in self.reading}
        crowded = 2 * len(self.reading) > self._places
        seconds = min(self._seconds, CROWDED_SECONDS) if crowded else self._seconds
        self._ended = {task: limit for task, limit in self._ended.items() if task in self.reading}
        for task, since in self._since.items():
            if task is not None and now - since > seconds and task not in self._ended:
                self._ended[task] = seconds
                task.cancel()

    def check(self, task: "asyncio.Task[Any] | None") -> None:
        """Raise BodyTooLate if it was this watch that cancelled a task, which then goes on."""
        if task is not None and task in self._ended:
            seconds = self._ended.pop(task)
            task.uncancel()
            raise BodyTooLate(f"the body did not come within {seconds:g} s")
