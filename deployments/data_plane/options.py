"""What an operator may set for the service: limits, time-outs, folders. The build says the rest."""

from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one service; the same for all of its workers."""

    build: Path | None = None
    rollout: Path | None = None
    workload: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    workers: int = 1
    predictions: Path | None = None
    # Rows in one call of the model: more gives little more throughput and makes single rows wait.
    batch_rows: int = 256
    # Rows that may wait before requests are refused.
    queue_rows: int = 20_000
    deadline_seconds: float = 1.0
    poll_seconds: float = 0.25
    price_per_hour: float = 0.085
