"""Micro-batching: what waits in one tick of the event loop becomes one call of the model.

Under light load a request is answered at once; under heavy load ticks are long and batches grow. A batch is bounded by
rows and, if a linger is set, by the time it waits for more. Requests larger than a batch run in a thread of their own,
so that they do not hold up the small ones. So do batches whose rows may become large while they are read, as pictures
do, in another thread: what comes meanwhile is the next batch.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.inference import Batch
from components.artefacts.parts_of_rows import in_parts
from deployments.data_plane.formats.request import InvalidRow, Row
from deployments.data_plane.load.computing import (
    Computed,
    NoFiniteAnswer,
    check_finite,
    check_rows,
    compute,
    compute_in_parts,
)
from deployments.data_plane.load.limits import Overloaded
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.tracing import Trace

# Rows of a table in one call of the model.
SLICE = 8_192
# What rows may become in the event loop. A picture of a megabyte of pixels takes some ten milliseconds to read.
LOOP_BYTES = 256_000


class Expired(Exception):
    """The request's deadline passed while it waited; the work was not done."""


class Pending(msgspec.Struct, gc=False):
    """Rows of one request on their way through the model."""

    rows: list[Row]
    future: "asyncio.Future[list[Any]]"
    request_id: str
    arrived: float
    queued: float
    deadline: float
    # Sends the answer as soon as it is known, instead of when the task that waits for the future comes to its turn.
    deliver: "Callable[[list[Any]], object] | None" = None
    trace: Trace | None = None


class Answered(msgspec.Struct, gc=False):
    """One call of the model, as the prediction log takes it.

    ``inputs`` are what was decoded: rows, or of a table Arrow columns by name. The graph's tensors are no record of
    them, since a double stands there for integers and moments, and "" for a missing text.
    """

    model: Model
    at: float
    request_ids: list[str]
    lengths: list[int]
    inputs: list[Row] | Mapping[str, Any]
    answers: NDArray[np.float32]


class Batcher:
    """The queue in front of one model; it belongs to one event loop."""

    def __init__(
        self,
        model: Model,
        metrics: Metrics,
        options: Options,
        on_answered: Callable[[Answered], None] | None,
        large: ThreadPoolExecutor,
        reader: ThreadPoolExecutor,
    ) -> None:
        self._model = model
        self._metrics = metrics
        self._options = options
        self._on_answered = on_answered
        self._large = large
        self._reader = reader
        self._waiting: deque[Pending] = deque()
        self._queued_rows = 0
        self._scheduled = False
        self._in_thread = False

    def submit(
        self,
        rows: list[Row],
        request_id: str,
        arrived: float,
        deadline: float,
        deliver: Callable[[list[Any]], object] | None = None,
        trace: Trace | None = None,
    ) -> "asyncio.Future[list[Any]]":
        """Queue rows; the future gives the answer to each (a number, or a list of them). Raises Overloaded.

        ``deliver`` gets the answers first.
        """
        count = len(rows)
        self.take_room(count)
        loop = asyncio.get_running_loop()
        queued = time.perf_counter()
        pending = Pending(rows, loop.create_future(), request_id, arrived, queued, deadline, deliver, trace)
        if count > self._options.batch_rows:
            self._run_large(loop, pending)
            return pending.future
        self._waiting.append(pending)
        self._queued_rows += count
        full = self._queued_rows >= self._options.batch_rows
        if self._options.linger_seconds and not full:
            if not self._scheduled:
                loop.call_later(self._options.linger_seconds, self._flush)
        elif full or not self._scheduled:
            loop.call_soon(self._flush)
        self._scheduled = True
        return pending.future

    def take_room(self, count: int) -> None:
        """Count rows as waiting; raises Overloaded if there are too many already. Whoever takes room gives it back."""
        metrics = self._metrics
        if metrics.waiting_rows and metrics.waiting_rows + count > self._options.queue_rows:
            raise Overloaded(f"{metrics.waiting_rows} rows are waiting; the limit is {self._options.queue_rows}")
        metrics.waiting_rows += count

    def _flush(self) -> None:
        self._scheduled = False
        if self._in_thread:
            # Its end takes what waits by then.
            return
        batch = self._take(time.perf_counter())
        if self._waiting:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)
        if not batch:
            return
        rows = batch[0].rows if len(batch) == 1 else [row for pending in batch for row in pending.rows]
        if len(rows) * self._model.unpacked_bytes > LOOP_BYTES:
            self._in_thread = True
            loop = asyncio.get_running_loop()
            loop.run_in_executor(self._reader, compute, self._model.predictor, rows).add_done_callback(
                partial(self._computed, batch)
            )
            return
        try:
            computed = compute(self._model.predictor, rows)
        except Exception as error:  # every kind of failure belongs to the requests that wait for this call
            _fail(batch, error)
        else:
            self._answer(batch, computed)

    def _computed(self, batch: list[Pending], done: "asyncio.Future[Computed]") -> None:
        self._in_thread = False
        if error := done.exception():
            _fail(batch, error)
        else:
            self._answer(batch, done.result())
        if self._waiting:
            self._flush()

    def _answer(self, batch: list[Pending], computed: Computed) -> None:
        """Hand each request of a batch its answers, or why a row of it has none."""
        try:
            if not np.isfinite(computed.answers).all():
                batch, computed = _answerable(batch, computed)
                if not batch:
                    return
            answers = self._record(computed, batch)
        except Exception as error:
            _fail(batch, error)
            return
        start = 0
        for pending in batch:
            end = start + len(pending.rows)
            _settle(pending, answers[start:end])
            start = end

    def _take(self, now: float) -> list[Pending]:
        """Take from the queue up to a batch of rows; what expired is refused and not computed."""
        batch: list[Pending] = []
        room = self._options.batch_rows
        while self._waiting and len(self._waiting[0].rows) <= room:
            pending = self._waiting.popleft()
            count = len(pending.rows)
            self._queued_rows -= count
            self._metrics.waiting_rows -= count
            self._metrics.queue.observe(now - pending.queued)
            if pending.future.done():
                continue
            if now > pending.deadline:
                pending.future.set_exception(_expired(pending.arrived, pending.deadline, now))
                continue
            batch.append(pending)
            room -= count
        return batch

    def _record(self, computed: Computed, batch: list[Pending]) -> list[Any]:
        """Count and log what was computed; return the answers as they are sent."""
        metrics = self._metrics
        metrics.prepare_seconds += computed.prepared - computed.taken
        metrics.model.observe(computed.computed - computed.prepared)
        metrics.batch.observe(len(computed.answers))
        for pending in batch:
            if (trace := pending.trace) is not None:
                trace.queued = pending.queued
                trace.taken, trace.prepared, trace.computed = computed.taken, computed.prepared, computed.computed
                trace.batch_rows = len(computed.answers)
        if self._on_answered is not None:
            ids = [pending.request_id for pending in batch]
            lengths = [len(pending.rows) for pending in batch]
            self._on_answered(Answered(self._model, time.time(), ids, lengths, computed.rows, computed.answers))
        shape = self._model.serving.answer
        rounded = shape.rounded(computed.answers)
        answers: list[Any] = rounded.tolist()
        leading = shape.leading(rounded)
        metrics.answer.observe_all(answers if leading is rounded else leading.tolist())
        metrics.count_rows(len(answers), shape.counted(rounded))
        return answers

    def answer_columns(
        self,
        columns: Mapping[str, NDArray[Any]],
        request_id: str,
        inputs: Callable[[], Mapping[str, Any]],
        trace: Trace | None = None,
    ) -> NDArray[np.float32]:
        """Answer columns at once, in the thread that calls, in slices that fit the processor's cache.

        ``inputs`` makes what the prediction log keeps, if there is one.
        """
        count = len(next(iter(columns.values())))
        start = time.perf_counter()
        predictor = self._model.predictor

        def tensors(first: int, last: int) -> Batch:
            return predictor.tensors_of_columns({name: values[first:last] for name, values in columns.items()})

        answers = np.concatenate([predictor.predict(part) for part in in_parts(tensors, count, SLICE)])
        check_finite(answers)
        end = time.perf_counter()
        if trace is not None:
            trace.prepared, trace.computed, trace.batch_rows = start, end, count
        self._metrics.model.observe(end - start)
        self._metrics.batch.observe(count)
        shape = self._model.serving.answer
        leading = shape.leading(answers)
        counts, _ = np.histogram(leading, [-np.inf, *shape.bounds, np.inf])
        self._metrics.add_answers(shape.bounds, counts.tolist(), float(leading.sum()))
        self._metrics.count_rows(count, shape.counted(answers))
        if self._on_answered is not None:
            self._on_answered(Answered(self._model, time.time(), [request_id], [count], inputs(), answers))
        return answers

    def _run_large(self, loop: asyncio.AbstractEventLoop, pending: Pending) -> None:
        """Answer a request of many rows in a thread; one at a time, the others wait in the thread's queue."""

        def answer() -> Computed:
            check_deadline(pending.arrived, pending.deadline)
            return compute_in_parts(self._model.predictor, pending.rows)

        def finished(done: "asyncio.Future[Computed]") -> None:
            self._metrics.waiting_rows -= len(pending.rows)
            if error := done.exception():
                if not pending.future.done():
                    pending.future.set_exception(error)
                return
            self._metrics.queue.observe(done.result().taken - pending.queued)
            _settle(pending, self._record(done.result(), [pending]))

        loop.run_in_executor(self._large, answer).add_done_callback(finished)


def _answerable(batch: list[Pending], computed: Computed) -> tuple[list[Pending], Computed]:
    """Refuse those requests of a batch that have a row without an answer; return the others and what is theirs."""
    kept, rows, answers, start = [], list[Row](), [], 0
    for pending in batch:
        end = start + len(pending.rows)
        try:
            check_rows(computed, start, end)
        except (InvalidRow, NoFiniteAnswer) as error:
            _fail([pending], error)
        else:
            kept.append(pending)
            rows += pending.rows
            answers.append(computed.answers[start:end])
        start = end
    return kept, msgspec.structs.replace(computed, rows=rows, answers=np.concatenate(answers or [computed.answers[:0]]))


def _fail(batch: list[Pending], error: BaseException) -> None:
    for pending in batch:
        if not pending.future.done():
            pending.future.set_exception(error)


def _settle(pending: Pending, answers: list[Any]) -> None:
    """Hand a request its answers, unless it is gone."""
    if pending.future.done():
        return
    try:
        if pending.deliver is not None:
            pending.deliver(answers)
        pending.future.set_result(answers)
    except Exception as error:  # what goes wrong in encoding or sending one answer must not touch the others
        pending.future.set_exception(error)


def check_deadline(arrived: float, deadline: float) -> None:
    """Raise Expired if a deadline has passed; both are moments of ``time.perf_counter``."""
    if (now := time.perf_counter()) > deadline:
        raise _expired(arrived, deadline, now)


def _expired(arrived: float, deadline: float, now: float) -> Expired:
    return Expired(f"waited {now - arrived:.3f} s, the deadline is {deadline - arrived:.3f} s; it was not computed")
