"""Who asked what and got which answer how fast: a share of the requests, one JSON line each."""

import random

from deployments.data_plane.events import report
from deployments.data_plane.protocol import Reply, Request


class AccessLog:
    """Reports a share of the requests; a failure (500) always."""

    def __init__(self, share: float) -> None:
        self._share = share

    def note(self, request: Request, reply: Reply, seconds: float, build: str) -> None:
        """Report a request, or not."""
        status = reply[0]
        if status != 500 and (self._share == 0 or random.random() >= self._share):
            return
        report(
            "request",
            method=request.method,
            path=request.path,
            status=status,
            milliseconds=round(seconds * 1_000, 3),
            bytes=len(reply[2]),
            client=request.client,
            build=build,
        )
