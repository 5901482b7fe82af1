"""One scrape sees all workers: each leaves its counts in a file beside those of the others."""

import os
import time
from pathlib import Path

import msgspec

from deployments.data_plane.telemetry.metrics import Metrics, merge


class Exchange:
    """A folder with one file of counts a worker."""

    def __init__(self, folder: Path | None, metrics: Metrics) -> None:
        self._folder = folder
        self._metrics = metrics
        self._mine = f"{os.getpid()}.counts"

    def publish(self) -> None:
        """Leave this worker's counts for the others."""
        if self._folder is None:
            return
        self._metrics.processor_seconds = time.process_time()
        scratch = self._folder / f".{self._mine}"
        scratch.write_bytes(msgspec.msgpack.encode(self._metrics))
        scratch.replace(self._folder / self._mine)

    def total(self) -> Metrics:
        """Return the counts of the whole service: this worker's now, the others' of a moment ago."""
        self._metrics.processor_seconds = time.process_time()
        if self._folder is None:
            return self._metrics
        others = [path for path in self._folder.glob("*.counts") if path.name != self._mine]
        return merge([self._metrics, *map(_counts_of, others)])


def _counts_of(path: Path) -> Metrics:
    """Return what another worker left; one that died has answered what it counted, but holds nothing any more."""
    counts = msgspec.msgpack.decode(path.read_bytes(), type=Metrics)
    try:
        os.kill(int(path.stem), 0)
    except ProcessLookupError:
        counts.in_flight = counts.waiting_rows = 0
    return counts
