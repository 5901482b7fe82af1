"""Tensors of many rows, a part after the other: small bytes of a row may unpack to megabytes, as a picture does."""

from collections.abc import Callable, Iterator

from components.artefacts.inference import Batch, InvalidRow

# Of the tensors of one part. What a graph computes on the way takes some tens of times as much.
PART_BYTES = 16_000_000


def in_parts(tensors: Callable[[int, int], Batch], rows: int, most: int) -> Iterator[Batch]:
    """Yield the tensors of so many rows in parts of at most ``most`` rows and, by the first row's, PART_BYTES.

    ``tensors`` makes those of the rows from one place to another. Without rows there is one part, an empty one.
    InvalidRow counts from the first row of all.
    """
    taken = sum(values.nbytes for values in tensors(0, 1).values()) if rows else 0
    size = max(1, min(most, PART_BYTES // max(1, taken)))
    for start in range(0, max(1, rows), size):
        try:
            part = tensors(start, min(start + size, rows))
        except InvalidRow as error:
            raise InvalidRow(start + error.row, error.field, error.reason) from None
        yield part
