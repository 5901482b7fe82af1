"""One call of the model: rows in, the numbers of each or why it has none; in the event loop or in a thread."""

import time
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.inference import Batch, InvalidRow, InvalidRows, Predictor, Row
from components.artefacts.parts_of_rows import in_parts


class NoFiniteAnswer(Exception):
    """A row keeps the contract, but what the model answers to it is not a number: which row, from 0.

    A graph computes in 32 bits. A value beyond 3.4e38 is infinite there, and infinity less infinity is not a number.
    """

    def __init__(self, row: int) -> None:
        super().__init__("the model has no finite answer to this row; a value in it may be too large to compute with")
        self.row = row


class Computed(msgspec.Struct, gc=False):
    """The answers to rows; NaN to one that could not be read, for the reason that stands under its place."""

    rows: list[Row]
    answers: NDArray[np.float32]
    # Moments: rows in hand, tensors made, answered.
    taken: float
    prepared: float
    computed: float
    unread: Mapping[int, InvalidRow] = {}


def compute(predictor: Predictor, rows: list[Row]) -> Computed:
    """Answer rows; that one of them cannot be read is no matter of the others."""
    taken, unread = time.perf_counter(), dict[int, InvalidRow]()
    try:
        batch = predictor.tensors(rows)
    except InvalidRow as error:
        batch, unread = _readable(predictor, rows, error)
    prepared = time.perf_counter()
    answers: NDArray[np.float32] = np.full(len(rows), np.nan, np.float32)
    if len(unread) < len(rows):
        answers = predictor.predict(batch)
    if 0 < len(unread) < len(rows):
        answers = _with_gaps(answers, unread, len(rows))
    return Computed(rows, answers, taken, prepared, time.perf_counter(), unread)


def compute_in_parts(predictor: Predictor, rows: list[Row]) -> Computed:
    """Answer the rows of a large request in parts: a small body may unpack to more than there is memory.

    Raises InvalidRow and NoFiniteAnswer.
    """
    taken = time.perf_counter()
    parts, asked = [], 0.0
    for part in in_parts(lambda start, end: predictor.tensors(rows[start:end]), len(rows), len(rows)):
        began = time.perf_counter()
        parts.append(predictor.predict(part))
        asked += time.perf_counter() - began
    ended = time.perf_counter()
    answers = np.concatenate(parts)
    check_finite(answers)
    # As if everything had been prepared first.
    return Computed(rows, answers, taken, ended - asked, ended)


def check_rows(computed: Computed, start: int, end: int) -> None:
    """Raise InvalidRow or NoFiniteAnswer for the first row from ``start`` on that has no answer, counted from there."""
    for row in range(start, end):
        if (found := computed.unread.get(row)) is not None:
            raise InvalidRow(row - start, found.field, found.reason)
    check_finite(computed.answers[start:end])


def check_finite(answers: NDArray[np.float32]) -> None:
    """Raise NoFiniteAnswer if one of the answers, [rows, ...], is not a number."""
    if not (finite := np.isfinite(answers)).all():
        raise NoFiniteAnswer(int(np.argmin(finite.reshape(len(answers), -1).all(axis=1))))


def _readable(predictor: Predictor, rows: list[Row], error: InvalidRow) -> tuple[Batch, dict[int, InvalidRow]]:
    """Return the tensors of the rows that can be read, and why the others cannot, by their places."""
    left, unread = list(range(len(rows))), dict[int, InvalidRow]()
    while True:
        if isinstance(error, InvalidRows):
            return error.others, unread | {left[one.row]: one for one in error.unread}
        # A kind that tells of one row alone reads the others again.
        unread[left.pop(error.row)] = error
        try:
            return predictor.tensors([rows[place] for place in left]) if left else {}, unread
        except InvalidRow as further:
            error = further


def _with_gaps(answers: NDArray[np.float32], unread: Mapping[int, InvalidRow], rows: int) -> NDArray[np.float32]:
    whole: NDArray[np.float32] = np.full((rows, *answers.shape[1:]), np.nan, answers.dtype)
    whole[[row for row in range(rows) if row not in unread]] = answers
    return whole
