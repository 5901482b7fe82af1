"""Logs what was asked and answered, without ever making an answer wait: what it cannot keep up with is counted as lost.

The parts are those of ``components/artefacts/prediction_log``; inputs are logged as they were decoded: nothing is
rounded, and "" is not null. Of large values there is a digest, and what the kind says of them. The event loop only
hands references over; a thread makes columns, and writes when a part is full or old.
"""

import hashlib
import importlib
import threading
import time
from collections import deque
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artefacts.errors import HostError, ServingError
from components.artefacts.inference import Inference, described, digests
from components.artefacts.prediction_log import digest_column, own_columns, write_part
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.formats.arrow_columns import arrow_values
from deployments.data_plane.load.batching import Answered
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.events import report
from deployments.data_plane.telemetry.metrics import Metrics

# How often the thread looks for new batches.
LOOK_SECONDS = 0.1


class PredictionLog:
    """Collects answered batches and writes them in a thread."""

    def __init__(self, options: Options, metrics: Metrics) -> None:
        if options.predictions is None:
            raise ServingError("a prediction log needs a folder: --predictions")
        self._folder = options.predictions
        self._options = options
        self._metrics = metrics
        self._key = options.key()
        self._waiting: deque[Answered] = deque()
        self._stopping = threading.Event()
        self._taken = 0
        self._released = 0
        self._number = 0
        self._random = np.random.default_rng()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(f"cannot write predictions to {self._folder}: {error.strerror}") from None
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        # Here, because a service without a log need not pay for it, and not in the thread, where importing would hold
        # up the first answers.
        importlib.import_module("pyarrow.parquet")
        self._thread.start()

    def add(self, answered: Answered) -> None:
        """Take a batch; called in the event loop, returns at once."""
        count = len(answered.answers)
        if self._taken - self._released + count > self._options.log_rows:
            self._metrics.lost_predictions += count
            return
        self._taken += count
        self._waiting.append(answered)

    def stop(self) -> None:
        """Write what is left and end."""
        self._stopping.set()
        self._thread.join(timeout=20)

    def _work(self) -> None:
        tables: list[Any] = []
        due = float("inf")
        while True:
            # The event loop only appends and this thread looks now and then: waking it for every batch would take the
            # interpreter away from the event loop each time. What it finds becomes Arrow columns at once: thousands of
            # small Python objects that live on for seconds make every allocation of the event loop slower.
            stopping = self._stopping.wait(LOOK_SECONDS)
            tables += self._collect()
            rows = sum(table.num_rows for table in tables)
            now = time.monotonic()
            if tables:
                due = min(due, now + self._options.part_seconds)
            if tables and (stopping or rows >= self._options.part_rows or now >= due):
                self._write_parts(tables)
                tables, due = [], float("inf")
            if stopping and not self._waiting:
                return

    def _collect(self) -> list[Any]:
        """Return what waits as Arrow tables: one a build of what came as rows, and one of what came as columns."""
        alike: dict[tuple[str, bool], list[Answered]] = {}
        rows = 0
        while self._waiting and rows < self._options.part_rows:
            answered = self._waiting.popleft()
            rows += len(answered.answers)
            alike.setdefault((answered.model.build_id, isinstance(answered.inputs, list)), []).append(answered)
        tables = [table for batches in alike.values() if (table := self._described(batches)) is not None]
        # What was not sampled, or is lost, is gone already.
        self._released += rows - sum(table.num_rows for table in tables)
        return tables

    def _write_parts(self, tables: list[Any]) -> None:
        """Write one part a schema (contracts may differ); what cannot be written is counted as lost and reported."""
        import pyarrow as pa

        rows = sum(table.num_rows for table in tables)
        try:
            for schema in dict.fromkeys(table.schema for table in tables):
                self._write_part(pa.concat_tables([table for table in tables if table.schema == schema]))
        except (OSError, ValueError) as error:
            self._lose(rows, error)
        self._released += rows

    def _lose(self, rows: int, error: Exception) -> None:
        self._metrics.lost_predictions += rows
        report("predictions lost", rows=rows, reason=f"{type(error).__name__}: {error}")

    def _write_part(self, table: Any) -> None:
        self._number += 1
        write_part(self._folder, table, self._number)
        self._metrics.logged_predictions += table.num_rows

    def _described(self, batches: list[Answered]) -> Any:
        """Return batches as a table; a kind that fails at describing them must not end the thread."""
        try:
            return self._table(batches)
        except Exception as error:
            self._lose(sum(len(batch.answers) for batch in batches), error)
            return None

    def _table(self, batches: list[Answered]) -> Any:
        """Return batches of one build as columns, or None if the share to log left none of their rows."""
        import pyarrow as pa

        model = batches[0].model
        share = model.serving.log_predictions
        total = sum(len(batch.answers) for batch in batches)
        keep: NDArray[np.bool_] | None = self._random.random(total) < share if share < 1 else None
        if keep is not None and not keep.any():
            return None

        def column(values: NDArray[Any]) -> NDArray[Any]:
            return values if keep is None else values[keep]

        columns = own_columns(
            column(_repeated_ids(batches)), column(_places(batches)), column(_repeated_times(batches)), model.build_id
        )
        answers = column(np.concatenate([batch.answers for batch in batches]))
        for name, numbers in model.serving.answer.numbers(answers).items():
            columns[name] = pa.array(np.ascontiguousarray(numbers))
        inputs = _inputs(batches, model.contract, keep)
        for field in model.contract.inputs:
            values = inputs[field.name]
            if "pii" in field.roles:
                if self._options.pii == "hash":
                    columns[field.name] = _hashed(_column(values, field), self._key)
            elif value_type(field.dtype).is_large:
                columns |= _stand_ins(model.inference, field, values)
            else:
                columns[field.name] = _column(values, field)
        return pa.table(columns)


def _stand_ins(inference: Inference, field: FieldSpec, values: Any) -> dict[str, Any]:
    """Return the digests of large values, and what the kind says of them, as Arrow columns by name."""
    plain = values if isinstance(values, tuple) else values.to_pylist()
    made = {digest_column(field.name): digests(field, plain), **described(inference, field, plain)}
    return {name: _said(column) for name, column in made.items()}


def _said(column: NDArray[Any]) -> Any:
    """Return what a kind says of values as an Arrow column; what is unknown is null."""
    import pyarrow as pa

    if column.ndim == 1:
        return pa.array(column, pa.string() if column.dtype == object else pa.float64(), from_pandas=True)
    flat, unknown = pa.array(column.ravel(), pa.float32()), pa.array(np.isnan(column).any(axis=1))
    return pa.FixedSizeListArray.from_arrays(flat, column.shape[1], mask=unknown)


def _column(values: Any, field: FieldSpec) -> Any:
    return arrow_values(values, field) if isinstance(values, tuple) else values


def _inputs(batches: list[Answered], contract: ContractSpec, keep: NDArray[np.bool_] | None) -> dict[str, Any]:
    """Return the inputs by name: tuples of batches that all came as rows, Arrow columns of those that came as such."""
    import pyarrow as pa

    rows = [row for batch in batches if isinstance(batch.inputs, list) for row in batch.inputs]
    if rows:
        kept = rows if keep is None else compress(rows, keep)
        names = (field.name for field in contract.inputs)
        return dict(zip(names, zip(*kept, strict=True), strict=True))
    tables = [pa.table(batch.inputs) for batch in batches]
    whole = pa.concat_tables(tables)
    whole = whole if keep is None else whole.filter(pa.array(keep))
    return dict(zip(whole.column_names, whole.columns, strict=True))


def _hashed(array: Any, key: bytes) -> Any:
    """Return keyed hashes of the values: equal values stay equal, and only the holder of the key can search for one."""
    import pyarrow as pa

    values = (None if value is None else str(value).encode() for value in array.to_pylist())
    return pa.array(
        [None if value is None else hashlib.blake2b(value, key=key, digest_size=16).hexdigest() for value in values],
        pa.string(),
    )


def _repeated_ids(batches: list[Answered]) -> NDArray[Any]:
    ids = np.array([name for batch in batches for name in batch.request_ids], dtype=object)
    return np.repeat(ids, [length for batch in batches for length in batch.lengths])


def _places(batches: list[Answered]) -> NDArray[np.int32]:
    lengths = np.array([length for batch in batches for length in batch.lengths], dtype=np.int32)
    starts = np.repeat(np.cumsum(lengths, dtype=np.int32) - lengths, lengths)
    return np.arange(lengths.sum(), dtype=np.int32) - starts


def _repeated_times(batches: list[Answered]) -> NDArray[np.float64]:
    return np.repeat(np.array([batch.at for batch in batches]), [len(batch.answers) for batch in batches])
