"""The queue in front of the model: what waits together is computed together, what came too late is not computed."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from components.artefacts.answer_shape import Binary
from components.artefacts.build import ServingSpec
from components.artefacts.inference import Batch, InvalidRows
from components.artefacts.parts_of_rows import PART_BYTES
from deployments.data_plane.formats.request import InvalidRow, Row
from deployments.data_plane.load.batching import LOOP_BYTES, Answered, Batcher, Expired
from deployments.data_plane.load.computing import NoFiniteAnswer
from deployments.data_plane.load.limits import Overloaded
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.metrics import Metrics

SERVING = ServingSpec(
    workload="sample",
    answer=Binary(label="late", threshold=0.5),
    port=0,
    max_rows=100,
    max_body_bytes=1_000,
    log_predictions=1.0,
)


class Doubling:
    """A model that answers each row with a hundredth of its only value, and remembers its calls."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: list[list[float]] = []
        self.threads: set[str] = set()
        self._seconds = seconds

    inputs = ("x",)

    def tensors(self, rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
        for place, row in enumerate(rows):
            if row[0] == -2.0:
                raise InvalidRow(place, "x", "cannot be read")
        return {"x": np.array([row[0] for row in rows], dtype=np.float64)}

    def tensors_of_columns(self, columns: Mapping[str, NDArray[Any]]) -> Batch:
        return columns

    def predict(self, columns: Batch) -> NDArray[np.float32]:
        self.calls.append(columns["x"].tolist())
        self.threads.add(threading.current_thread().name)
        time.sleep(self._seconds)
        if -1.0 in columns["x"]:
            raise RuntimeError("the model broke")
        answers: NDArray[np.float32] = (columns["x"] / 100).astype(np.float32)
        return answers


@pytest.fixture
def large() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, thread_name_prefix="large") as pool:
        yield pool


def batcher(
    predictor: Doubling,
    large: ThreadPoolExecutor,
    log: list[Answered] | None = None,
    metrics: Metrics | None = None,
    *,
    unpacked_bytes: int = 0,
    **set_: Any,
) -> Batcher:
    nothing: Any = None
    model = Model(nothing, nothing, SERVING, nothing, predictor, 0.0, nothing, unpacked_bytes)
    options = msgspec.structs.replace(Options(batch_rows=4), **set_)
    return Batcher(model, metrics or Metrics(), options, log.append if log is not None else None, large, large)


def ask(queue: Batcher, *values: float, patience: float = 10.0) -> "asyncio.Future[list[float]]":
    now = time.perf_counter()
    return queue.submit([(value,) for value in values], f"id-{values[0]:g}", now, now + patience)


def test_a_row_that_the_kind_cannot_read_is_refused_alone(large: ThreadPoolExecutor) -> None:
    async def run() -> list[Any]:
        queue = batcher(Doubling(), large)
        asked = [ask(queue, 1.0), ask(queue, 2.0, -2.0), ask(queue, 3.0), ask(queue, -2.0)]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, unread, third, other = asyncio.run(run())
    assert (first, third) == ([0.01], [0.03])
    assert [(one.row, one.field, one.reason) for one in (unread, other)] == [
        (1, "x", "cannot be read"),
        (0, "x", "cannot be read"),
    ]


class Reading(Doubling):
    """A model of pictures, so to say: it tells of all rows that it cannot read, and remembers which it looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[float] = []
        self.go_on = threading.Event()

    def tensors(self, rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
        self.threads.add(threading.current_thread().name)
        assert self.go_on.wait(60)
        values = np.array([row[0] for row in rows])
        self.read += values.tolist()
        bad = [InvalidRow(place, "x", f"no picture: {value:g}") for place, value in enumerate(values) if value < 0]
        if bad:
            raise InvalidRows(bad, {"x": values[values >= 0]})
        return {"x": values}


@pytest.mark.parametrize("unpacked_bytes", [0, LOOP_BYTES])
def test_a_batch_with_several_rows_that_cannot_be_read_is_read_once(
    large: ThreadPoolExecutor, unpacked_bytes: int
) -> None:
    predictor, log = Reading(), list[Answered]()
    predictor.go_on.set()

    async def run() -> list[Any]:
        queue = batcher(predictor, large, log, batch_rows=9, unpacked_bytes=unpacked_bytes)
        asked = [ask(queue, 1), ask(queue, 2, -3), ask(queue, -4), ask(queue, 5, 6), ask(queue, 7, -8, -9)]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second, third, fourth, fifth = asyncio.run(run())
    assert ([round(value * 100) for value in first], [round(value * 100) for value in fourth]) == ([1], [5, 6])
    assert [(one.row, one.reason) for one in (second, third, fifth)] == [
        (1, "no picture: -3"),
        (0, "no picture: -4"),
        (1, "no picture: -8"),
    ]
    assert predictor.read == [1, 2, -3, -4, 5, 6, 7, -8, -9]
    assert [(batch.request_ids, batch.inputs, len(batch.answers)) for batch in log] == [
        (["id-1", "id-5"], [(1,), (5,), (6,)], 3)
    ]


def test_a_batch_of_rows_none_of_which_can_be_read_asks_the_model_nothing(large: ThreadPoolExecutor) -> None:
    predictor = Reading()
    predictor.go_on.set()

    async def run() -> list[Any]:
        queue = batcher(predictor, large)
        return await asyncio.gather(ask(queue, -1), ask(queue, -2, -3), return_exceptions=True)

    assert [(type(one), one.row) for one in asyncio.run(run())] == [(InvalidRow, 0), (InvalidRow, 0)]
    assert predictor.calls == []


def test_rows_that_may_become_large_are_read_in_a_thread_and_what_comes_meanwhile_is_the_next_batch(
    large: ThreadPoolExecutor,
) -> None:
    predictor = Reading()

    async def run() -> list[list[float]]:
        queue = batcher(predictor, large, unpacked_bytes=LOOP_BYTES // 2 + 1)
        early = [ask(queue, 1), ask(queue, 2)]
        # The loop goes on while the first batch is read.
        await asyncio.sleep(0)
        late = [ask(queue, value) for value in (3, 4, 5)]
        await asyncio.sleep(0)
        predictor.go_on.set()
        return await asyncio.gather(*early, *late)

    assert [round(answer[0] * 100) for answer in asyncio.run(run())] == [1, 2, 3, 4, 5]
    assert predictor.calls == [[1, 2], [3, 4, 5]]
    assert all(name.startswith("large") for name in predictor.threads)


def test_one_row_that_stays_small_is_read_where_the_requests_come_in(large: ThreadPoolExecutor) -> None:
    predictor = Reading()
    predictor.go_on.set()

    async def run() -> list[float]:
        return await ask(batcher(predictor, large, unpacked_bytes=LOOP_BYTES), 1)

    assert asyncio.run(run()) == [0.01]
    assert predictor.threads == {threading.current_thread().name}


def test_what_waits_in_one_tick_is_one_call_bounded_by_rows(large: ThreadPoolExecutor) -> None:
    predictor, log = Doubling(), list[Answered]()

    async def run() -> list[list[float]]:
        queue = batcher(predictor, large, log)
        return await asyncio.gather(*[ask(queue, value) for value in range(6)], ask(queue, 6, 7, 8))

    answers = asyncio.run(run())
    assert [round(value * 100) for answer in answers for value in answer] == list(range(9))
    assert predictor.calls == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
    assert [batch.request_ids for batch in log] == [["id-0", "id-1", "id-2", "id-3"], ["id-4", "id-5"], ["id-6"]]
    assert log[2].lengths == [3]


class Unpacking(Doubling):
    """A model of rows that take a megabyte each, of which there is one number in memory."""

    def tensors(self, rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
        return {"x": super().tensors(rows)["x"], "pixels": np.broadcast_to(np.uint8(0), (len(rows), 1_000_000))}

    def tensors_of_columns(self, columns: Mapping[str, NDArray[Any]]) -> Batch:
        return self.tensors([(value,) for value in columns["x"]])


def test_rows_that_unpack_to_megabytes_are_answered_a_few_at_once(large: ThreadPoolExecutor) -> None:
    predictor, most = Unpacking(), PART_BYTES // 1_000_000
    values = [float(value) for value in range(40)]

    async def run() -> list[Any]:
        queue = batcher(predictor, large)
        return await asyncio.gather(ask(queue, *values), ask(queue, *values[1:], -2.0), return_exceptions=True)

    answers, unread = asyncio.run(run())
    np.testing.assert_allclose(answers, np.array(values) / 100, rtol=1e-6)
    assert unread.row == 39, "a row is counted from the first of its request"
    given = batcher(predictor, large).answer_columns({"x": np.array(values)}, "id", dict)
    np.testing.assert_allclose(given, np.array(values) / 100, rtol=1e-6)
    assert max(len(call) for call in predictor.calls) <= most


def test_a_linger_waits_for_more_but_not_when_the_batch_is_full(large: ThreadPoolExecutor) -> None:
    predictor = Doubling()

    async def run() -> float:
        queue = batcher(predictor, large, linger_seconds=0.05)
        start = time.perf_counter()
        early = ask(queue, 1)
        await asyncio.sleep(0.01)
        await asyncio.gather(early, ask(queue, 2))
        waited = time.perf_counter() - start
        patient = batcher(predictor, large, linger_seconds=600)
        await asyncio.wait_for(asyncio.gather(*[ask(patient, value) for value in range(4)]), 60)
        return waited

    assert asyncio.run(run()) >= 0.045
    assert predictor.calls == [[1, 2], [0, 1, 2, 3]]


def test_what_expired_in_the_queue_is_refused_and_not_computed(large: ThreadPoolExecutor) -> None:
    predictor = Doubling(seconds=0.05)

    async def run() -> list[Any]:
        queue = batcher(predictor, large)
        first = [ask(queue, value) for value in range(4)]
        late = [ask(queue, 50, patience=0.02), ask(queue, *range(60, 70), patience=0.0), ask(queue, 51)]
        return await asyncio.gather(*first, *late, return_exceptions=True)

    answers = asyncio.run(run())
    assert isinstance(answers[4], Expired)
    assert isinstance(answers[5], Expired)
    assert answers[6] == [pytest.approx(0.51)]
    assert [value for call in predictor.calls for value in call] == [0, 1, 2, 3, 51]


def test_a_full_queue_refuses_but_one_large_request_alone_is_taken(large: ThreadPoolExecutor) -> None:
    async def run() -> int:
        queue = batcher(Doubling(), large, queue_rows=3)
        whole = ask(queue, *range(10))
        with pytest.raises(Overloaded, match="10 rows are waiting; the limit is 3"):
            ask(queue, 1)
        return len(await whole)

    assert asyncio.run(run()) == 10


def test_large_requests_run_in_their_own_thread_and_do_not_hold_up_small_ones(large: ThreadPoolExecutor) -> None:
    predictor = Doubling(seconds=1)
    quick = Doubling()

    async def run() -> tuple[bool, int]:
        whole = ask(batcher(predictor, large), *range(10))
        await asyncio.sleep(0.01)
        await ask(batcher(quick, large), 1)
        return whole.done(), len(await whole)

    assert asyncio.run(run()) == (False, 10)
    assert all(name.startswith("large") for name in predictor.threads)


def test_a_failure_reaches_those_who_wait_for_that_call_only(large: ThreadPoolExecutor) -> None:
    async def run() -> list[Any]:
        queue = batcher(Doubling(), large)
        asked = [ask(queue, value) for value in (1, 2, 3, -1, 5)]
        return await asyncio.gather(*asked, ask(queue, *[-1] * 9), return_exceptions=True)

    answers = asyncio.run(run())
    assert [type(answer) for answer in answers] == [RuntimeError] * 4 + [list, RuntimeError]


def test_waiting_is_counted_from_when_rows_are_queued_and_not_from_when_the_request_came(
    large: ThreadPoolExecutor,
) -> None:
    metrics = Metrics()
    queue = batcher(Doubling(), large, metrics=metrics)

    async def scenario() -> None:
        # As if their bodies had taken days to come.
        arrived = time.perf_counter() - 1e6
        for rows in ([(1.0,)], [(float(value),) for value in range(8)]):
            await queue.submit(rows, "late", arrived, arrived + 1e9)

    asyncio.run(scenario())
    assert (sum(metrics.queue.counts), metrics.queue.total < 1e5) == (2, True)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_row_without_a_finite_answer_is_refused_and_the_others_of_its_batch_are_answered(
    large: ThreadPoolExecutor, bad: int
) -> None:
    log, metrics = list[Answered](), Metrics()
    requests = [[1.0, 2.0], [3.0], [4.0, 5.0]]
    requests[bad][-1] = 1e45

    async def run() -> list[Any]:
        queue = batcher(Doubling(), large, log, metrics, batch_rows=10)
        return await asyncio.gather(*[ask(queue, *values) for values in requests], return_exceptions=True)

    with np.errstate(over="ignore"):
        found = asyncio.run(run())
    refused = found.pop(bad)
    assert isinstance(refused, NoFiniteAnswer)
    assert refused.row == [1, 0, 1][bad]
    requests.pop(bad)
    assert [[round(value * 100) for value in answers] for answers in found] == requests
    (one,) = log
    assert one.lengths == [len(values) for values in requests]
    assert len(one.answers) == metrics.rows == sum(one.lengths)
