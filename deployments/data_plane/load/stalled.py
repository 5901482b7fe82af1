"""Bodies that do not come: a client that stops in the middle of one is told so and let go.

A timer a request would cost a tenth of the whole request. Here a request only enters and leaves a set, and somebody who
looks now and then sees who has been in it for too long.
"""

import asyncio
from typing import Any

from deployments.data_plane.protocol import BodyTooLate


class BodyWatch:
    """The requests of one event loop whose bodies are being read."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Read and written in the hot path.
        self.reading: set[asyncio.Task[Any] | None] = set()
        self._since: dict[asyncio.Task[Any] | None, float] = {}
        self._ended: set[asyncio.Task[Any]] = set()

    def look(self, now: float) -> None:
        """End what was already being read at a look that is longer ago than a body may take."""
        self._since = {task: self._since.get(task, now) for task in self.reading}
        self._ended.intersection_update(self.reading)
        for task, since in self._since.items():
            if task is not None and now - since > self._seconds and task not in self._ended:
                self._ended.add(task)
                task.cancel()

    def check(self, task: "asyncio.Task[Any] | None") -> None:
        """Raise BodyTooLate if it was this watch that cancelled a task, which then goes on."""
        if task is not None and task in self._ended:
            self._ended.discard(task)
            task.uncancel()
            raise BodyTooLate(f"the body did not come within {self._seconds:g} s")
