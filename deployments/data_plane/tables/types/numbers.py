"""Columns of whole numbers, doubles, and yes or no: doubles, NaN for missing, as a graph takes them."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.formats.request import InvalidRow
from deployments.data_plane.tables.table_type import Numbers, TableType, allowed, refuse, refuse_missing

# Up to here every whole number is a double.
_EXACT = 2**53


class NumberTable(TableType):
    """Finite doubles; a column of integers is taken, too."""

    name = "number"
    arrow = pa.float64()

    def fits(self, kind: pa.DataType) -> bool:
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

    def cast(self, column: pa.Array) -> pa.Array:
        """Return a column as integers or doubles."""
        return column.cast(pa.float64(), safe=False)

    def seconds(self, values: pa.Array, missing: NDArray[np.bool_], field: FieldSpec) -> pa.Array:
        """Return what was cast as the number that a graph takes."""
        return values

    def checked(self, column: pa.ChunkedArray, field: FieldSpec, max_bytes: int) -> Numbers:
        try:
            values = self.cast(column.combine_chunks())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InvalidRow(0, field.name, f"a column of {column.type} is not {field.dtype}") from None
        missing = values.is_null().to_numpy(zero_copy_only=False)
        refuse_missing(missing, field)
        whole = _whole(values)
        values = self.seconds(values, missing, field)
        # Beyond 2^53 a double rounds, as it does in training.
        doubles: NDArray[np.float64] = values.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy()
        infinite = ~np.isfinite(doubles) & ~missing
        refuse(infinite, field, lambda row: f"{doubles[row]} is not finite; send null if unknown")
        _check_bounds(doubles, field)
        return Numbers(doubles, whole)

    def of_graph(self, values: NDArray[Any], field: FieldSpec) -> Any:
        missing = np.isnan(values)
        return pa.array(self.exact(np.where(missing, 0.0, values)), mask=missing)

    def exact(self, doubles: NDArray[np.float64]) -> NDArray[Any]:
        """Return a graph's doubles, none of them missing, as the contract's own type."""
        return doubles


class IntegerTable(NumberTable):
    """Whole numbers of 64 bits."""

    name = "integer"
    arrow = pa.int64()

    def fits(self, kind: pa.DataType) -> bool:
        return bool(pa.types.is_integer(kind))

    def cast(self, column: pa.Array) -> pa.Array:
        return column.cast(pa.int64())

    def exact(self, doubles: NDArray[np.float64]) -> NDArray[Any]:
        return doubles.astype(np.int64)


class BooleanTable(NumberTable):
    """Yes and no."""

    name = "boolean"
    arrow = pa.bool_()

    def fits(self, kind: pa.DataType) -> bool:
        return bool(pa.types.is_boolean(kind))

    def cast(self, column: pa.Array) -> pa.Array:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        whole = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
        return whole.cast(pa.float64(), safe=False)

    def exact(self, doubles: NDArray[np.float64]) -> NDArray[Any]:
        return doubles.astype(np.bool_)


def _whole(values: pa.Array) -> NDArray[np.int64] | None:
    """Return integers, 0 for missing, if one of them is no double."""
    if not pa.types.is_integer(values.type):
        return None
    ends = pc.min_max(values).as_py()
    if all(end is None or abs(end) <= _EXACT for end in ends.values()):
        return None
    whole: NDArray[np.int64] = values.fill_null(0).to_numpy()
    return whole


def _check_bounds(numbers: NDArray[np.float64], field: FieldSpec) -> None:
    for key, sign, bad in (
        ("ge", ">=", np.less),
        ("gt", ">", np.less_equal),
        ("le", "<=", np.greater),
        ("lt", "<", np.greater_equal),
    ):
        limit = getattr(field, key)
        if limit is not None:
            refuse(bad(numbers, limit), field, partial(_beyond, numbers, f"{sign} {limit:g}"))
    if field.allowed:
        refuse(~np.isin(numbers, field.allowed) & ~np.isnan(numbers), field, lambda row: allowed(field))


def _beyond(numbers: NDArray[np.float64], limit: str, row: int) -> str:
    return f"{numbers[row]:g} is not {limit}"


TYPES = (IntegerTable(), NumberTable(), BooleanTable())
