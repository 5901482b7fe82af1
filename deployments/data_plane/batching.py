"""Micro-batching: what waits in one tick of the event loop becomes one call of the model.

No timer: under light load a request is answered at once, under heavy load ticks are long and batches grow.
"""

import asyncio
import time
from collections import deque

import msgspec
import numpy as np
from numpy.typing import NDArray

from deployments.data_plane.metrics import Metrics
from deployments.data_plane.model import Model
from deployments.data_plane.request import Row


class Overloaded(Exception):
    """The queue is full: the request was not taken."""


class Expired(Exception):
    """The request's deadline passed while it waited; the work was not done."""


class Pending(msgspec.Struct, gc=False):
    """Rows of one request on their way through the model."""

    rows: list[Row]
    future: "asyncio.Future[list[float]]"
    arrived: float
    deadline: float


class Batcher:
    """The queue in front of one model; it belongs to one event loop."""

    def __init__(self, model: Model, metrics: Metrics, batch_rows: int, queue_rows: int) -> None:
        self.model = model
        self._metrics = metrics
        self._batch_rows = batch_rows
        self._queue_rows = queue_rows
        self._waiting: deque[Pending] = deque()
        self._scheduled = False

    def submit(self, rows: list[Row], arrived: float, deadline: float) -> "asyncio.Future[list[float]]":
        """Queue rows; the future gives one probability a row. Raises Overloaded."""
        metrics = self._metrics
        if metrics.waiting_rows and metrics.waiting_rows + len(rows) > self._queue_rows:
            raise Overloaded(f"{metrics.waiting_rows} rows are waiting; the limit is {self._queue_rows}")
        loop = asyncio.get_running_loop()
        pending = Pending(rows, loop.create_future(), arrived, deadline)
        self._waiting.append(pending)
        metrics.waiting_rows += len(rows)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return pending.future

    def _flush(self) -> None:
        self._scheduled = False
        batch, count = self._take(time.perf_counter())
        if self._waiting:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)
        if not batch:
            return
        rows = batch[0].rows if len(batch) == 1 else [row for pending in batch for row in pending.rows]
        try:
            answers = self._run(rows, count)
        except Exception as error:  # every kind of failure belongs to the requests that wait for this call
            for pending in batch:
                if not pending.future.done():
                    pending.future.set_exception(error)
            return
        start = 0
        for pending in batch:
            end = start + len(pending.rows)
            if not pending.future.done():
                pending.future.set_result(answers[start:end])
            start = end

    def _take(self, now: float) -> tuple[list[Pending], int]:
        """Take from the queue up to a batch of rows; what expired is refused and not computed."""
        batch: list[Pending] = []
        count = 0
        while self._waiting and (not batch or count + len(self._waiting[0].rows) <= self._batch_rows):
            pending = self._waiting.popleft()
            self._metrics.waiting_rows -= len(pending.rows)
            self._metrics.queue.observe(now - pending.arrived)
            if pending.future.done():
                continue
            if now > pending.deadline:
                pending.future.set_exception(Expired(f"waited {now - pending.arrived:.3f} s"))
                continue
            batch.append(pending)
            count += len(pending.rows)
        return batch, count

    def _run(self, rows: list[Row], count: int) -> list[float]:
        metrics = self._metrics
        columns = self.model.predictor.tensors(rows)
        start = time.perf_counter()
        probabilities = self.model.predictor.predict(columns)
        seconds = time.perf_counter() - start
        metrics.model.observe(seconds)
        metrics.model_seconds += seconds
        metrics.batch.observe(count)
        metrics.rows += count
        return _rounded(probabilities)


def _rounded(probabilities: NDArray[np.float32]) -> list[float]:
    """Return probabilities as the answer shows them: a float32 has no more than eight digits worth sending."""
    answers: list[float] = np.round(probabilities.astype(np.float64), 8).tolist()
    return answers
