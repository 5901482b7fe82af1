"""What the service counts: plain integers in the hot path, rendered for Prometheus when somebody asks.

Every worker process counts for itself; ``merge`` adds the counts of all workers up, so one scrape sees the service.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

import msgspec

LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
WORK = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0, 10_000.0)


class Histogram(msgspec.Struct):
    """Counts by upper bound, the last one unbounded, and the sum of what was observed."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, bounds: tuple[float, ...]) -> "Histogram":
        return cls(bounds, [0] * (len(bounds) + 1))

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Iterable[float]) -> None:
        counts, bounds = self.counts, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            self.total += value

    def add(self, counts: list[int], total: float) -> None:
        """Add observations that were counted elsewhere, in the same buckets."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]
        self.total += total


class Metrics(msgspec.Struct):
    """All counts of one worker."""

    requests: dict[tuple[str, int], int] = {}  # path and status -> answers
    errors: dict[str, int] = {}  # kind of refusal or failure
    changes: dict[str, int] = {}  # "loaded" or "refused" -> changes of the build
    in_flight: int = 0
    waiting_rows: int = 0
    rows: int = 0  # answered
    prepare_seconds: float = 0.0
    processor_seconds: float = 0.0  # of the whole process, when it last said so
    lost_predictions: int = 0
    logged_predictions: int = 0
    explained_rows: int = 0
    lost_traces: int = 0
    sent_traces: int = 0
    latency: Histogram = msgspec.field(default_factory=lambda: Histogram.of(LATENCY))
    queue: Histogram = msgspec.field(default_factory=lambda: Histogram.of(LATENCY))
    model: Histogram = msgspec.field(default_factory=lambda: Histogram.of(WORK))
    batch: Histogram = msgspec.field(default_factory=lambda: Histogram.of(ROWS))
    decisions: dict[str, int] = {}  # class -> rows that got it
    # The number of each answer that is watched; the build's shape says in which buckets.
    answer: Histogram = msgspec.field(default_factory=lambda: Histogram.of(()))

    def watch(self, bounds: tuple[float, ...]) -> None:
        """Count answers in these buckets from now on; another build may have others."""
        if bounds != self.answer.bounds:
            self.answer, self.decisions = Histogram.of(bounds), {}

    def count_answer(self, path: str, status: int) -> None:
        key = (path, status)
        self.requests[key] = self.requests.get(key, 0) + 1

    def count_rows(self, rows: int, decisions: Mapping[str, int]) -> None:
        self.rows += rows
        for name, count in decisions.items():
            self.decisions[name] = self.decisions.get(name, 0) + count

    def add_answers(self, bounds: tuple[float, ...], counts: list[int], total: float) -> None:
        """Add answers that were counted elsewhere; those of a build that was replaced meanwhile have no place."""
        if bounds == self.answer.bounds:
            self.answer.add(counts, total)

    def count_error(self, kind: str) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + 1


def merge(parts: Iterable[Metrics]) -> Metrics:
    """Return the sum over workers; answers are summed over those that serve the first one's build."""
    whole = Metrics()
    for part in parts:
        if not whole.answer.bounds:
            whole.watch(part.answer.bounds)
        for field in msgspec.structs.fields(Metrics):
            mine, theirs = getattr(whole, field.name), getattr(part, field.name)
            if isinstance(theirs, Histogram) and theirs.bounds != mine.bounds:
                continue
            if isinstance(theirs, Histogram):
                mine.add(theirs.counts, theirs.total)
            elif isinstance(theirs, dict):
                for key, value in theirs.items():
                    mine[key] = mine.get(key, 0) + value
            else:
                setattr(whole, field.name, mine + theirs)
    return whole
