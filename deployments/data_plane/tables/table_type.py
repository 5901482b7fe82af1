"""What a type of values is as a column of Arrow: one instance a type, in a module of ``types``.

Which types of a table's column hold its values, how they are checked against a field's rules, and the Arrow type that
holds every value exactly. Imports pyarrow, which a service loads with the first table or prediction log.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.formats.request import InvalidRow
from deployments.data_plane.protocol import BodyTooLarge


class Distinct(NamedTuple):
    """A column of texts or bytes: its different values, and the place of each row's; one beyond the last is missing."""

    values: Any
    places: NDArray[np.int32]


class Numbers(NamedTuple):
    """A column of numbers as doubles, NaN for missing, and as whole ones where a double would round some of them."""

    doubles: NDArray[np.float64]
    whole: NDArray[np.int64] | None = None


class Vectors(NamedTuple):
    """A column of vectors: all their numbers in a row, and where each row's end; one that is missing has none."""

    numbers: NDArray[np.float64]
    ends: NDArray[np.int64]
    missing: NDArray[np.int8]


Checked = dict[str, Numbers | Distinct | Vectors]


class TableType:
    """A type of values as a column of Arrow."""

    # As ``FieldSpec.dtype`` has it.
    name: ClassVar[str]
    arrow: ClassVar[pa.DataType]

    def fits(self, kind: pa.DataType) -> bool:
        """Return whether a column of this type may hold such values."""
        raise NotImplementedError

    def checked(self, column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Numbers | Distinct | Vectors:
        """Return a column's values; InvalidRow names the first that breaks a rule of the field."""
        raise NotImplementedError

    def of_graph(self, values: NDArray[Any], field: FieldSpec) -> Any:
        """Return what a predictor is given of a column as an Arrow array of the contract's own type."""
        raise NotImplementedError

    def of_values(self, values: Sequence[Any]) -> Any:
        """Return decoded values as an Arrow array, each as it was decoded; None is null, and "" is not."""
        return pa.array(values, self.arrow)

    def of_whole(self, whole: Any) -> Any:
        """Return integers that no double holds as an Arrow array of the contract's own type."""
        return whole


def refuse_missing(missing: NDArray[np.bool_], field: FieldSpec) -> None:
    """Raise InvalidRow for the first value that is missing, unless it may be."""
    if not field.nullable:
        refuse(missing, field, lambda row: "missing; required")


def refuse(wrong: NDArray[np.bool_], field: FieldSpec, reason: Callable[[int], str]) -> None:
    """Raise InvalidRow for the first row that is wrong, if there is one."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidRow(row, field.name, reason(row))


def check_bytes(size: int, max_bytes: int) -> None:
    """Raise BodyTooLarge for a column that is larger when written out than a table may be."""
    if size > max_bytes:
        raise BodyTooLarge(f"the values of one column have {size} bytes when written out; at most {max_bytes}")


def allowed(field: FieldSpec) -> str:
    """Return the reason of a value that is none of those that are listed."""
    return f"not one of the allowed values: {', '.join(str(value) for value in field.allowed)}"
