"""What happens to the service, one JSON object a line on standard error."""

import os
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec


def report(event: str, **details: Any) -> None:
    """Write an event; one write call, so that lines of several workers do not mix."""
    line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, "pid": os.getpid(), **details}
    sys.stderr.write(msgspec.json.encode(line).decode() + "\n")
    sys.stderr.flush()
