"""What takes long and runs in a thread, one at a time: tables answered as a whole, and rows explained."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from deployments.data_plane.explanation import Explainer
from deployments.data_plane.formats import columnar
from deployments.data_plane.formats.content import JSON_TYPE, check_type, read_body
from deployments.data_plane.formats.negotiation import choose_format
from deployments.data_plane.formats.request import TooManyRows
from deployments.data_plane.load.admission import Admission
from deployments.data_plane.load.batching import Batcher, check_deadline
from deployments.data_plane.load.limits import Overloaded
from deployments.data_plane.model import Model
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import JSON, Reply, Request
from deployments.data_plane.tables.content_types import FORMATS
from deployments.data_plane.tables.reader import TableReader
from deployments.data_plane.telemetry.metrics import Metrics


class Bulk:
    """Answers tables and explanations with the current build."""

    def __init__(self, options: Options, admission: Admission, metrics: Metrics, thread: ThreadPoolExecutor) -> None:
        self._options = options
        self._admission = admission
        self._metrics = metrics
        self._thread = thread
        self._reader = TableReader(options)
        self._tables = 0

    def take_over(self, model: Model, batcher: Batcher) -> None:
        """Answer from now on with another build."""
        self._contract = msgspec.json.encode(model.contract)
        self._model, self._batcher, self._explainer = model, batcher, Explainer(model)

    def close(self) -> None:
        """End what was started for tables."""
        self._reader.close()

    async def score(self, request: Request) -> Reply:
        """Answer a table given as an Arrow stream or a Parquet file, in either."""
        await self._admission.limit_rate(request)
        most = self._options.queue_tables
        if self._tables >= most:
            raise Overloaded(f"{most} tables are waiting or being answered, which is {self._admission.limit}")
        self._tables += 1
        try:
            return await self._answer_table(request)
        finally:
            self._tables -= 1

    async def _answer_table(self, request: Request) -> Reply:
        model, batcher, contract = self._model, self._batcher, self._contract
        content_type = check_type(request.header("content-type"), FORMATS)
        wanted = choose_format(request.header("accept"), FORMATS)
        body = await read_body(request, FORMATS, model.serving.max_body_bytes)
        request_id = self._named(request)

        def answer() -> bytes:
            table = self._reader.read(body, content_type, contract)
            inputs = partial(table.inputs, model.contract.inputs)
            answers = batcher.answer_columns(table.tensors, request_id, inputs, request.trace)
            return columnar.write_answers(model, answers, request_id, wanted)

        reply = await self._in_thread(answer, time.perf_counter(), request)
        return 200, (("content-type", wanted),), reply

    async def explain(self, request: Request) -> Reply:
        """Answer rows given as JSON, and tell what each field had to do with it."""
        arrived = time.perf_counter()
        await self._admission.limit_rate(request)
        model, explainer = self._model, self._explainer
        rows = model.decoder.decode(await read_body(request, (JSON_TYPE,), model.serving.max_body_bytes))
        request_id = self._named(request)
        cost = len(rows) * explainer.answers_a_row
        if cost > max(model.serving.max_rows, explainer.answers_a_row):
            most = max(1, model.serving.max_rows // explainer.answers_a_row)
            raise TooManyRows(f"{len(rows)} rows to explain, {explainer.answers_a_row} answers each; at most {most}")
        self._batcher.take_room(cost)
        try:
            body = await self._in_thread(lambda: explainer.explain(rows, request_id, request.trace), arrived, request)
        finally:
            self._metrics.waiting_rows -= cost
        self._metrics.explained_rows += len(rows)
        return 200, JSON, body

    def _named(self, request: Request) -> str:
        request.request_id = self._admission.request_id(request.header("x-request-id"))
        return request.request_id

    async def _in_thread(self, work: Callable[[], bytes], arrived: float, request: Request) -> bytes:
        """Return what work gives, unless its turn comes after the deadline."""
        deadline, queued = arrived + self._admission.patience(request), time.perf_counter()
        taken = queued

        def begin() -> bytes:
            nonlocal taken
            taken = time.perf_counter()
            if request.trace is not None:
                request.trace.queued, request.trace.taken = queued, taken
            check_deadline(arrived, deadline)
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, begin)
        finally:
            # Here and not in the thread: the event loop counts too.
            self._metrics.queue.observe(taken - queued)
