"""Who asked what and got which answer how fast: a share of the requests, one JSON line each."""

import random
from typing import Protocol

from deployments.data_plane.telemetry.events import report


class Asked(Protocol):
    """What a line tells of a request."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def client(self) -> str: ...

    @property
    def request_id(self) -> str: ...


class AccessLog:
    """Reports a share of the requests; a failure (500) always."""

    def __init__(self, share: float) -> None:
        self._share = share

    def note(self, request: Asked, status: int, size: int, seconds: float, build: str) -> None:
        """Report a request that was answered with so many bytes, or not."""
        if status != 500 and (self._share == 0 or random.random() >= self._share):
            return
        # Only what is answered, or refused, has a name; a probe has none.
        named = {"request_id": request.request_id} if request.request_id else {}
        report(
            "request",
            method=request.method,
            path=request.path,
            status=status,
            milliseconds=round(seconds * 1_000, 3),
            bytes=size,
            client=request.client,
            **named,
            build=build,
        )
